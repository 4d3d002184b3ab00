/**
 * What a pool says makes no sense, though every checksum is right: a bug wrote it, or somebody who means harm.
 *
 * Thrown by decoders and wherever rows contradict one another. It says something about the image and nothing about the
 * engine, so that it ends the operation that met it (or the opening of the pool) and not the pool.
 */
export class Malformed extends Error {
  override readonly name = "Malformed";
}
