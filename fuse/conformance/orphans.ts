/**
 * Files without a name that programs still use: many at a time, after the kernel has forgotten what it can.
 */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import type { MountCase } from "./case.ts";
import { readAll } from "./system.ts";

const COUNT = 300;
const content = (index: number): string => `${index} `.repeat(500);

function forgetAll(): void {
  try {
    fs.writeFileSync("/proc/sys/vm/drop_caches", "3");
  } catch {
    // Where that is not allowed, less is tested.
  }
}

/** Makes files and hands out a descriptor of each. */
function withMany(at: string, use: (descriptors: ReadonlyArray<number>) => void): void {
  const descriptors = Array.from({ length: COUNT }, (_, index) => fs.openSync(join(at, `file-${index}`), "w+"));
  try {
    descriptors.forEach((fd, index) => fs.writeSync(fd, content(index)));
    use(descriptors);
  } finally {
    for (const fd of descriptors) fs.closeSync(fd);
  }
}

function stillThere(descriptors: ReadonlyArray<number>): void {
  descriptors.forEach((fd, index) => {
    assert.equal(fs.fstatSync(fd).nlink, 0);
    assert.equal(readAll(fd).toString(), content(index));
  });
}

export const orphanCases: ReadonlyArray<MountCase> = [
  {
    title: "many unlinked files are whole for whoever has them open, whatever the kernel forgets",
    run: (at) => {
      withMany(at, (descriptors) => {
        descriptors.forEach((fd) => fs.fsyncSync(fd));
        forgetAll();
        descriptors.forEach((_, index) => fs.unlinkSync(join(at, `file-${index}`)));
        forgetAll();
        stillThere(descriptors);
        descriptors.forEach((fd) => fs.writeSync(fd, "x", 100_000));
        forgetAll();
        descriptors.forEach((fd) => assert.equal(fs.fstatSync(fd).size, 100_001));
      });
      assert.deepEqual(fs.readdirSync(at), []);
    },
  },
  {
    title: "many files that were replaced are whole for whoever has them open",
    run: (at) => {
      withMany(at, (descriptors) => {
        for (let index = 0; index < COUNT; index++) {
          fs.writeFileSync(join(at, "next"), `new ${index}`);
          fs.renameSync(join(at, "next"), join(at, `file-${index}`));
        }
        forgetAll();
        stillThere(descriptors);
      });
      for (let index = 0; index < COUNT; index++) {
        assert.equal(fs.readFileSync(join(at, `file-${index}`), "utf8"), `new ${index}`);
      }
    },
  },
  {
    title: "what unlinked files took is free again once they are closed",
    notOn: { "fuse-native": "it counts when it is told" },
    run: async (at) => {
      const inodes = (): number => fs.statfsSync(at).files - fs.statfsSync(at).ffree;
      const before = inodes();
      withMany(at, (descriptors) => {
        descriptors.forEach((_, index) => fs.unlinkSync(join(at, `file-${index}`)));
        assert.ok(inodes() >= before + COUNT);
      });
      for (let left = 100; inodes() > before; left--) {
        assert.ok(left > 0, `${inodes() - before} inodes are left`);
        await new Promise((settle) => setTimeout(settle, 100));
      }
    },
  },
];
