import { expect, it } from "vitest";
import {
  libfuseOptions,
  MOUNT_DEFAULTS,
  mountOptionHelp,
  MountOptionError,
  parseMountOptions,
} from "./mount-options.ts";

const readers = {
  bytes: (text: string) => (/^\d+$/.test(text) ? Number(text) : undefined),
  milliseconds: (text: string) => (/^\d+$/.test(text) ? Number(text) : undefined),
};
const parse = (...texts: ReadonlyArray<string>) => parseMountOptions(texts, readers);

it("takes options one by one or between commas; the last one counts", () => {
  expect(parse("ro,suid", "rw", "dirty=1000,commit=5")).toEqual({
    ...MOUNT_DEFAULTS,
    setUserId: true,
    engine: { dirtyBytesMax: 1000, commitIntervalMs: 5 },
  });
  expect(parse()).toEqual(MOUNT_DEFAULTS);
  expect([parse("spin=3"), parse("spin=3,nospin")]).toMatchObject([{ spinMs: 3 }, { spinMs: 0 }]);
});

it("takes a compression of new data", () => {
  const compression = (text: string): unknown => {
    const options = parse(`compression=${text}`);
    return options instanceof MountOptionError ? options.message : options.engine.compression;
  };
  expect(compression("none")).toEqual({ codec: 0, level: 1, adaptive: false });
  expect(compression("zstd")).toEqual({ codec: 1, level: 1, adaptive: false });
  expect(compression("zstd:9")).toEqual({ codec: 1, level: 9, adaptive: false });
  expect(compression("adaptive:3")).toEqual({ codec: 1, level: 3, adaptive: true });
  for (const text of ["zstd:0", "zstd:20", "zstd:x"]) expect(compression(text)).toMatch(/levels are 1 to 19/);
  expect(compression("lz4")).toMatch(/lz4 is not a codec of this format/);
  for (const text of ["", "gzip", "zstd:1:2", "none:1"]) expect(compression(text)).toMatch(/it takes adaptive/);
});

it.for([
  ["fast", "unknown mount option fast; known are"],
  ["toString", "unknown mount option toString; known are"],
  ["ro=1", "mount option ro takes no value"],
  ["dirty", "mount option dirty needs bytes"],
  ["attr_timeout=-1", "mount option attr_timeout needs seconds"],
])("refuses %s", ([text, message]) => {
  const refused = parse(text!);
  expect(refused).toBeInstanceOf(MountOptionError);
  expect((refused as MountOptionError).message).toContain(message);
});

it("gives libfuse set-user-ID bits and device nodes only when asked, and a source that may contain commas", () => {
  const words = libfuseOptions(MOUNT_DEFAULTS, "/dev/a,/dev/b", 1).split(/(?<!\\),/);
  expect(words).toEqual(expect.arrayContaining(["nosuid", "nodev", "rw", "default_permissions", "big_writes"]));
  expect(words).toContain("fsname=/dev/a\\,/dev/b");
  const open = libfuseOptions({ ...MOUNT_DEFAULTS, setUserId: true, deviceNodes: true, readOnly: true }, "x", 1);
  expect(open.split(",")).toEqual(expect.arrayContaining(["suid", "dev", "ro"]));
});

it("explains every option", () => {
  expect(mountOptionHelp.length).toBeGreaterThan(10);
  for (const line of mountOptionHelp) expect(line).toMatch(/^ {2}\S+ +\S/);
});
