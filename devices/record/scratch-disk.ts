/**
 * A disk of which nothing is remembered but its content: for trying out what a crash left.
 *
 * Works on a fork of the medium that it is given, which stays as it is.
 */
import type { Media } from "../sim/media.ts";
import type { ServedDisk } from "./served-disk.ts";

export class ScratchDisk implements ServedDisk {
  readonly sizeBytes: number;
  private readonly media: Media;

  constructor(media: Media) {
    this.sizeBytes = media.sizeBytes;
    this.media = media.fork();
  }

  read(offsetBytes: number, lengthBytes: number): Uint8Array {
    return this.media.read(offsetBytes, lengthBytes);
  }

  write(offsetBytes: number, bytes: Uint8Array): void {
    this.media.write(offsetBytes, bytes);
  }

  discard(offsetBytes: number, lengthBytes: number): void {
    this.media.fill(offsetBytes, lengthBytes, 0, undefined);
  }

  flush(): void {}
}
