/**
 * The commonest calls of the filesystem, answered on the caller's stack where nothing must be waited for.
 *
 * Each is what the call of the same name in `Filesystem` is, without an Effect: it takes effect at once or not at all.
 * `undefined` says that something must be waited for (a node, a device, room for data, somebody's turn): nothing has
 * happened, and the caller asks the other way.
 */
import type { BtreeActor } from "../btree/btree-actor.ts";
import type { Transaction } from "../btree/transaction.ts";
import type { EngineServices } from "../data/services.ts";
import { findName, offsetOfHash } from "./directory.ts";
import type { FileOperations } from "./file.ts";
import { attributesOf, inodeThere, loadLive } from "./inode.ts";
import { loadDirectory } from "./namespace.ts";
import { nameFault, nameHash } from "./names.ts";
import { type Attributes, FsError } from "./types.ts";

/** How a body that only reads is run at once, by whoever runs transactions. */
export type Peek = BtreeActor["peek"];

export class AtOnce {
  private readonly services: EngineServices;
  private readonly files: FileOperations;
  private readonly peek: Peek;

  constructor(services: EngineServices, files: FileOperations, peek: Peek) {
    this.services = services;
    this.files = files;
    this.peek = peek;
  }

  getattr(inode: number): Attributes | FsError | undefined {
    return this.peek((tx) => this.attributes(tx, inode));
  }

  lookup(parent: number, name: Uint8Array): Attributes | FsError | undefined {
    const { hashSeed, directoryHashBits } = this.services;
    return (
      nameFault(name) ??
      this.peek((tx) => {
        const directory = loadDirectory(tx, parent);
        if (directory instanceof FsError) return directory;
        const offset = offsetOfHash(nameHash(name, hashSeed, directoryHashBits));
        const entry = findName(tx, { directory: parent, name, offset });
        if (entry === undefined) return new FsError("NoEntry");
        return attributesOf(entry.inode, inodeThere(tx, entry.inode), this.files.files.get(entry.inode));
      })
    );
  }

  read(inode: number, offsetBytes: number, lengthBytes: number): Uint8Array | FsError | undefined {
    return this.files.readAtOnce(inode, offsetBytes, lengthBytes, this.peek);
  }

  /** True if all of `bytes` was written. */
  write(inode: number, offsetBytes: number, bytes: Uint8Array, keepTimes: boolean): true | FsError | undefined {
    const written = this.files.writeAtOnce(inode, offsetBytes, bytes, keepTimes);
    return typeof written === "number" ? true : written;
  }

  private attributes(tx: Transaction, inode: number): Attributes | FsError {
    const state = this.files.files.get(inode);
    const row = loadLive(tx, inode, state);
    return row instanceof FsError ? row : attributesOf(inode, row, state);
  }
}
