/**
 * The marks of the engine, each with how many of 1,000 seeds reach it at least, over all scenarios alike.
 *
 * The table and `reached(...)` in the sources name the same marks; a test says so. A rate is at most a quarter of what
 * was measured (see `MARGIN` in harness/gate/gate.ts), so that it holds until a scenario or the engine loses a path.
 */

export const RATES: Readonly<Record<string, number>> = {
  "appends shared a write": 100,
  // Needs a file of which half a megabyte waits to be written: one scenario alone writes such.
  "batch appended while another was": 0.4,
  "btree bucket collected": 15,
  // Needs nodes that were written a few at a time, and a disk that is all but full.
  "bucket of nodes not worth a copy": 3,
  "bucket freed": 100,
  "bucket retired after a write error": 0.2,
  "changed at once": 50,
  // A share of all pools write checkpoints without need.
  "checkpoint completed": 20,
  "checkpoint to empty sparse buckets": 0.5,
  // Nearly always a checkpoint was begun before.
  "checkpoint for want of a bucket": 0.005,
  // Needs more changed nodes than a full journal has room for.
  "checkpoint for want of journal space": 0.7,
  // Needs more unwritten nodes than a bucket or two hold, and no more buckets than that.
  "checkpoint while there is room for it": 1,
  // Needs nodes with long values, and small buckets.
  "chunk of nodes cut to a bucket": 1,
  "clearing of many rows logged": 6,
  "collecting btree nodes": 15,
  "collecting extents": 15,
  // Needs copies that take as much room as they free.
  "copied bucket left alone": 0.3,
  // Needs the buckets that are kept for the collector to be used up.
  "collection found no room": 0.03,
  "collection raced with a write": 1.5,
  "commit waited for journal space": 8,
  // Needs clients that fill entries faster than a slow journal takes them.
  "commit waited for the journal to write": 0.02,
  "change refused by a frozen pool": 2,
  // Both need somebody who compresses beside the pool, and a file of which several pieces wait to be written.
  "compressed ahead": 20,
  "compression taken back": 20,
  "extent cut by what it shrinks to": 40,
  // Needs a directory that was given one.
  "compression inherited": 4,
  // Needs bytes that look compressible and are not; few are drawn.
  "compression gave too little": 0.1,
  "device gone": 0.5,
  "device operation retried": 2,
  "data written back for its age": 50,
  // Needs a transaction over more leaves than there is memory for.
  "eviction held for a transaction": 0.3,
  // Needs several extents of one file that look as if they would shrink and do not.
  "extent left alone for its file's past": 1,
  "extent divided by the collector": 10,
  "extent laid over in several transactions": 0.4,
  "extents read ahead": 3,
  "extents read together": 5,
  // Only some scenarios have a device that takes it back.
  "memory of a read used again": 1,
  "extent found in a window": 20,
  "extent read at once": 100,
  // Needs a read that goes wrong once, of an extent and not of a node.
  "extent that did not verify read again": 0.5,
  "extent trimmed at its end": 150,
  "extent trimmed at its front": 150,
  "extent unreadable": 1,
  "free bucket kept for the recovery": 20,
  // Needs a merge of leaves, and a crash before the nodes above them are written.
  "gap closed in replay": 0.08,
  "incompressible data not tried": 6,
  "inline rows joined": 10,
  "inode numbers set aside": 200,
  // Needs a replay that splits where the run did not, at two levels.
  "interior node begins earlier after a replay": 0.005,
  "interior split": 15,
  "journal bucket abandoned after a write error": 0.4,
  "journal ended at a torn entry": 1,
  "journal ended at an entry whose references do not verify": 150,
  "journal entry found behind one that cannot be read": 2,
  "journal entry of an earlier epoch ignored": 20,
  // Needs writes to the journal that fail, and a crash before nodes are written: one story has both.
  "journal given another bucket": 0.5,
  "journal read again where it was not as expected": 0.5,
  "journal wrapped": 8,
  "large file unlinked": 4,
  // Needs a split, and then an insertion right before the cut.
  "leaf split in the middle of a group": 1,
  "leaf compacted": 15,
  "leaf evicted": 20,
  "leaf split": 60,
  // Needs a leaf of which one half holds nearly all bytes: one story makes such.
  "leaf split again for one row": 3,
  "leaves kept in memory since buckets are few": 1,
  "leaves merged": 30,
  // Needs a crash between two transactions of a clearing, which follow each other at once.
  "logged operation resumed": 0.02,
  // Needs an image that was made to harm.
  "lying superblock refused": 1,
  // Both need an image that was made to harm.
  "malformed pool refused": 2,
  "malformed row met": 3,
  "metadata waited for space": 3,
  "nameless file linked": 1,
  "names of one hash": 60,
  // Needs a read that goes wrong once, of a node.
  "node that did not verify read again": 0.03,
  // Needs a split whose new half is written, and a crash before the old one is.
  "node read at once": 200,
  "node trimmed to its range": 0.04,
  // Needs rot in a node that is not in memory.
  "node unreadable": 0.15,
  // Needs a node that is written elsewhere while a slow disk reads it.
  "node moved while it was read": 0.03,
  // Needs a disk on which every place that is tried fails.
  "node write failed": 0.15,
  "node written as a delta": 200,
  "odd range allocated as whole pages": 15,
  "one flush answered several syncs": 50,
  "open file unlinked": 80,
  "orphan removed": 50,
  // Needs a client that holds what it does not open: one scenario alone does.
  "unlinked file held": 4,
  // Needs a slow read of an extent which is overwritten and whose bucket is reset meanwhile.
  "unreadable extent left by the collector": 0.01,
  "partly live extent collected": 6,
  "partly written zone finished": 100,
  // Needs a disk that fails for good, in more places than are tried.
  "pool failed": 2,
  // Both need a pool of an earlier version: one story alone makes such.
  "pool raised to this version": 4,
  // Needs a superblock that is longer than a sector, torn while the pool is raised.
  "later version told beside a torn superblock": 0.06,
  "pool raised that a crash had left between two versions": 3,
  // Needs a crash with a single bucket of the journal left.
  "recovered with the journal full": 4,
  "read waited for one that was under way": 3,
  "rejected journal entry superseded": 150,
  "rename left a whiteout": 1,
  "rename replaced a name": 150,
  "rename waited for data": 100,
  "reserve bucket taken": 3,
  "root split": 60,
  // Needs a read between two transactions of a clearing, which follow each other at once.
  "rows hidden that are being taken out": 0.015,
  // Needs a disk that is all but full, and a checkpoint.
  "sparse bucket emptied in a checkpoint": 2,
  "staging arena grown": 20,
  "superblock log switched buckets": 200,
  "superblock read again": 0.5,
  "torn journal tail dropped": 2,
  "transaction restarted for a node": 200,
  "unclean pool recovered": 200,
  "write waited for space": 10,
  "failed writeback reported": 0.04,
  "writeback failed and kept its data": 0.08,
  // Needs a file to be removed while its bytes are written to a disk that fails for good.
  "writeback failed for a removed file": 0.05,
  "writeback began before the limit": 3,
  "writer waited for writeback": 80,
  "written as the file's own compression says": 10,
  // Zones that are lost, and commands on them that fail: three scenarios alone tell of them.
  "bucket that cannot be reset retired": 0.25,
  "journal bucket dropped from the superblock": 0.4,
  "journal bucket lost": 3,
  "journal bucket that cannot be reset retired": 0.2,
  "journal entry kept though its data is offline": 0.6,
  "journal known to be whole without an offline bucket": 1.2,
  // Needs a replay that merges leaves, and a disk on which they had been written apart.
  "node merged in replay kept until it is written": 1,
  "nodes written before more is added to them": 1,
  "nodes written before others take their room": 0.05,
  "nodes written to see what is available": 1,
  // Needs a slow write of nodes, and a journal that fills meanwhile.
  "nodes waited for that others write": 3,
  // Needs an append to a zone that turned read-only while something else was done with it.
  "open bucket left since its zone is lost": 0.005,
  "pool opened with a zone offline": 3,
  "pool opened with a zone read-only": 4,
  "retired bucket emptied": 1.5,
  "superblock bucket unreadable": 1.5,
  "superblock log stayed in its bucket": 1.5,
  "window older than an extent in it": 1,
  "write pointer moved by a failed write": 0.9,
  // Needs five failures of one finish, and then a success.
  "zone finished later": 0.003,
  "zone found offline": 3,
  "zone found read-only": 4,
  // Needs five failures of one finish in a row.
  "zone left unfinished": 0.06,
  "zone sealed after a write error": 0.5,
  // Processes that die and others that take over: four scenarios alone tell of them.
  "commits taken over": 5,
  "dirty data taken over": 5,
  "file without names held": 3,
  // Needs a file that lost its names, and is released by the last who had it open, behind a death.
  "held file forgotten": 0.1,
  // Needs a process that hands over before it was asked again what the one before had been asked.
  "handed over while requests may be sent again": 0.05,
  "incomplete generation of survivors ignored": 2,
  // Needs a death between an effect and its answer.
  "request answered without doing it again": 0.5,
  "replayed change found in its node": 100,
  // Needs a death between a change and its answer, and the last name to go before it is asked again.
  "request answered for an inode that is gone": 0.003,
  "segment of survivors begun": 2,
  "segment of survivors dropped": 0.5,
  "settled pool taken over": 2,
  "writer waited for the survivors": 0.3,
};

/** Marks that no seed reaches, and why that is so. */
export const UNREACHED: Readonly<Record<string, string>> = {
  "nodes chosen anew":
    "a tree would have to grow between two steps of a fiber in the very way that a test of the node writer makes it",
  "survivors given up":
    "memory that outlives a process is never full in a campaign: the mount would end with the process",
};
