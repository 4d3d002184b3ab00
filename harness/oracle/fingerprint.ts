/**
 * A sum of hashes over a namespace, so that the prefix that a recovered tree shows is found by its sum.
 *
 * Addition makes the sum independent of order, and lets a change subtract what was and add what is. Two lanes of 32
 * bits: a match is only a hint, it is always compared in full afterwards.
 */
export interface NodeFacts {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly links: number;
  readonly compression: number;
  readonly target: string | undefined;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

export class Fingerprint {
  one = 0;
  two = 0;

  equals(other: Fingerprint): boolean {
    return this.one === other.one && this.two === other.two;
  }

  copy(): Fingerprint {
    const same = new Fingerprint();
    same.one = this.one;
    same.two = this.two;
    return same;
  }

  /** Adds a node (sign 1), or takes it away (-1). `entries` are name and inode number, for a directory. */
  node(sign: 1 | -1, number: number, facts: NodeFacts, entries: Iterable<readonly [string, number]>): void {
    let hash = mixNumber(mixNumber(mixNumber(0x51ed270b, number), facts.mode), facts.links);
    hash = mixNumber(mixNumber(mixNumber(hash, facts.uid), facts.gid), facts.rdev);
    this.add(sign, mixText(mixNumber(hash, facts.compression), facts.target ?? ""));
    for (const [name, value] of facts.xattrs) {
      let held = mixText(mixNumber(0x2545f491, number), name);
      for (let index = 0; index < value.length; index++) held = mix(held, value[index] as number);
      this.add(sign, mixNumber(held, value.length));
    }
    for (const [name, child] of entries) this.add(sign, mixNumber(mixText(mixNumber(0x9e3779b1, number), name), child));
  }

  private add(sign: 1 | -1, hash: number): void {
    this.one = (this.one + sign * finish(hash, 0x85ebca6b)) | 0;
    this.two = (this.two + sign * finish(hash, 0xc2b2ae35)) | 0;
  }
}

function mix(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x01000193) ^ (hash >>> 15);
}

function mixNumber(hash: number, value: number): number {
  return mix(mix(hash, value | 0), Math.floor(value / 2 ** 32));
}

function mixText(hash: number, text: string): number {
  let mixed = mix(hash, text.length);
  for (let index = 0; index < text.length; index++) mixed = mix(mixed, text.charCodeAt(index));
  return mixed;
}

function finish(hash: number, multiplier: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), multiplier);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x27d4eb2f);
  return (mixed ^ (mixed >>> 16)) | 0;
}
