import { expect, it } from "vitest";
import { parseMountInfo } from "./mount-point.ts";

it("reads mountinfo with optional fields, escaped spaces and UTF-8", () => {
  const text = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "90 22 0:45 / /mnt/a\\040b rw,nosuid,nodev shared:7 master:2 - fuse.varve /tmp/p\\134q rw,user_id=0",
    "91 22 0:46 / /mnt/\u00c3\u00bc rw - fuse.varve /dev/loop0 rw",
    "",
  ].join("\n");
  expect(parseMountInfo(text)).toEqual([
    { device: "8:1", directory: "/", type: "ext4", source: "/dev/sda1" },
    { device: "0:45", directory: "/mnt/a b", type: "fuse.varve", source: "/tmp/p\\q" },
    { device: "0:46", directory: "/mnt/ü", type: "fuse.varve", source: "/dev/loop0" },
  ]);
});
