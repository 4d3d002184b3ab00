/**
 * What must be there for a sequence to succeed, and what is there after each of its steps: a namespace of which only
 * so much is decided as the steps have asked for.
 *
 * At first nothing but the root is known. A step that needs a file which no earlier step has made or removed decides
 * that the file was there from the beginning, and it becomes part of the setup (the dependencies of ACE); a step that
 * contradicts what is decided cannot succeed, and `after` says so. Sketches are values: `after` leaves its own as it is.
 */
import type { Operation } from "../workload/operation.ts";
import { nameOf, namesDirectory, parentOf, type Step } from "./alphabet.ts";

type NodeType = "file" | "directory" | "symlink";

interface Node {
  readonly type: NodeType;
  /** Its path at the beginning, of what the setup makes. */
  readonly origin: string | undefined;
  /** Has it the attribute? Undefined while nobody has asked; then it may be given by the setup. */
  attribute: boolean | undefined;
  /** Numbers of nodes by name; undefined for a name that is known not to be there. */
  readonly entries: Map<string, number | undefined>;
}

/** What the setup makes, by path. */
interface Given {
  readonly type: NodeType;
  readonly attribute: boolean;
}

const ROOT = 0;
/** Bytes of a file of the setup: over two blocks, a hole, and a piece behind it. */
const GIVEN_BYTES = 9000;
const GIVEN_TAIL_OFFSET = 18_000;
const GIVEN_TAIL_BYTES = 1000;
/** Numbers of the patterns of the setup begin here. */
const GIVEN_TAG = 1000;

/** Thrown inside of a step that contradicts what is decided; never leaves this module. One for all: stacks are dear. */
const impossible = new Error("the step cannot succeed");

export class Sketch {
  private readonly nodes: Array<Node>;
  private readonly given: Map<string, Given>;

  private constructor(nodes: Array<Node>, given: Map<string, Given>) {
    this.nodes = nodes;
    this.given = given;
  }

  /** Nothing is decided. */
  static blank(): Sketch {
    return new Sketch([{ type: "directory", origin: "", attribute: undefined, entries: new Map() }], new Map());
  }

  /** What is there after a step; undefined if it cannot succeed. */
  after(step: Step): Sketch | undefined {
    const nodes = this.nodes.map((node) => ({ ...node, entries: new Map(node.entries) }));
    const next = new Sketch(nodes, new Map(this.given));
    try {
      next.take(step);
      return next;
    } catch (error) {
      if (error === impossible) return undefined;
      throw error;
    }
  }

  /** Is something known to be at the path? */
  has(path: string): boolean {
    if (path === "/") return true;
    const directory = parentOf(path) === "" ? ROOT : this.nodes[ROOT]!.entries.get(nameOf(parentOf(path)));
    return directory !== undefined && this.nodes[directory]!.entries.get(nameOf(path)) !== undefined;
  }

  /** The operations that make what the steps so far need, directories first; syncing them is left to the caller. */
  setup(): Array<Operation> {
    const all = [...this.given].sort(([a], [b]) => (a < b ? -1 : 1));
    const directories = all.filter(([, { type }]) => type === "directory");
    const files = all.filter(([, { type }]) => type === "file");
    return [
      ...directories.map(([path]): Operation => ({ kind: "mkdir", path })),
      ...files.flatMap(([path, { attribute }], index) => givenFile(path, attribute, GIVEN_TAG + 10 * index)),
    ];
  }

  /** Equal for two sketches after which the same steps can succeed. */
  get key(): string {
    return this.nodes
      .map(({ type, origin, attribute, entries }) => {
        const names = [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, node]) => `${name}=${node ?? "-"}`);
        return `${type[0]}${origin === undefined ? "" : "?"}${String(attribute)[0]}${names.join(",")}`;
      })
      .join(";");
  }

  private take({ kind, paths }: Step): void {
    const [first, second] = paths as [string, string];
    switch (kind) {
      case "create":
        return this.make(first, "file");
      case "mkdir":
        return this.make(first, "directory");
      case "symlink":
        return this.make(first, "symlink");
      case "content":
        return void this.file(first);
      case "setxattr":
        return this.setAttribute(this.existing(first));
      case "removexattr":
        return this.removeAttribute(this.existing(first));
      case "link":
        return this.put(second, this.existing(first));
      case "unlink":
        return this.forget(first, this.existing(first));
      case "rmdir":
        return this.removeDirectory(first);
      case "rename":
        return this.move(first, second);
      case "replace":
        return this.replace(first, second);
      case "exchange":
        return this.exchange(first, second);
      case "fsync":
        return this.fsync(first);
      case "syncfs":
        return;
    }
  }

  private fsync(path: string): void {
    if (path === "/") return;
    const node = this.existing(path);
    // A symbolic link cannot be opened, so nobody can ask for it.
    if (this.nodes[node]!.type === "symlink") throw impossible;
  }

  private removeDirectory(path: string): void {
    const node = this.existing(path);
    this.mustBeEmpty(node);
    this.forget(path, node);
  }

  private move(from: string, to: string): void {
    const node = this.existing(from);
    this.put(to, node);
    this.forget(from, node);
  }

  private replace(from: string, to: string): void {
    const [moved, target] = [this.existing(from), this.existing(to)];
    // Two names of one file stay as they are.
    if (moved === target) return;
    if (this.nodes[target]!.type === "directory") this.mustBeEmpty(target);
    this.directoryOf(to).entries.set(nameOf(to), moved);
    this.forget(from, moved);
  }

  private exchange(one: string, other: string): void {
    const [first, second] = [this.existing(one), this.existing(other)];
    this.directoryOf(one).entries.set(nameOf(one), second);
    this.directoryOf(other).entries.set(nameOf(other), first);
  }

  private make(path: string, type: NodeType): void {
    this.put(path, this.nodes.push({ type, origin: undefined, attribute: false, entries: new Map() }) - 1);
  }

  /** Gives a node a name that must not be there. */
  private put(path: string, node: number): void {
    const { entries } = this.directoryOf(path);
    if (entries.get(nameOf(path)) !== undefined) throw impossible;
    entries.set(nameOf(path), node);
  }

  private forget(path: string, node: number): void {
    const { entries } = this.directoryOf(path);
    if (entries.get(nameOf(path)) === node) entries.set(nameOf(path), undefined);
  }

  private directoryOf(path: string): Node {
    const parent = parentOf(path);
    return this.nodes[parent === "" ? ROOT : this.existing(parent)]!;
  }

  /** What is at the path; if nobody has asked before, the setup makes it. */
  private existing(path: string): number {
    const directory = this.directoryOf(path);
    const name = nameOf(path);
    const known = directory.entries.get(name);
    if (known !== undefined) return known;
    if (directory.entries.has(name) || directory.origin === undefined) throw impossible;
    const type = namesDirectory(path) ? "directory" : "file";
    const origin = `${directory.origin}/${name}`;
    this.given.set(origin, { type, attribute: false });
    const node = this.nodes.push({ type, origin, attribute: undefined, entries: new Map() }) - 1;
    directory.entries.set(name, node);
    return node;
  }

  private file(path: string): number {
    const node = this.existing(path);
    if (this.nodes[node]!.type !== "file") throw impossible;
    return node;
  }

  private mustBeEmpty(node: number): void {
    for (const entry of this.nodes[node]!.entries.values()) if (entry !== undefined) throw impossible;
  }

  private setAttribute(number: number): void {
    this.nodes[number]!.attribute = true;
  }

  private removeAttribute(number: number): void {
    const node = this.nodes[number]!;
    if (node.attribute === false) throw impossible;
    if (node.attribute === undefined) this.given.set(node.origin!, { type: node.type, attribute: true });
    node.attribute = false;
  }
}

function givenFile(path: string, attribute: boolean, tag: number): Array<Operation> {
  const noise = (offset: number, lengthBytes: number): Operation => ({
    kind: "write",
    target: path,
    offsetBytes: offset,
    pattern: { tag: tag + (offset === 0 ? 0 : 1), lengthBytes, texture: "noise" },
  });
  const named: Operation = {
    kind: "setxattr",
    target: path,
    name: "user.a",
    pattern: { tag: tag + 2, lengthBytes: 50, texture: "text" },
    mode: "set",
  };
  return [
    { kind: "create", path },
    noise(0, GIVEN_BYTES),
    noise(GIVEN_TAIL_OFFSET, GIVEN_TAIL_BYTES),
    ...(attribute ? [named] : []),
  ];
}
