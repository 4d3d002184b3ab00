/**
 * Traps for everything that would make a simulation differ from run to run: ambient time, randomness, timers, promises.
 *
 * While they are set, calling any of it throws and names it. They are set around a seed's simulated part and taken away
 * behind it; the harness itself, outside, may use what it likes.
 */
import { createRequire } from "node:module";

type Undo = () => void;

/** Thrown by a trap. */
export class Nondeterminism extends Error {
  override readonly name = "Nondeterminism";
}

const require = createRequire(import.meta.url);
const crypto = require("node:crypto") as object;
const timers = require("node:timers") as object;

function trapProperty(owner: object, key: string, name: string, undo: Array<Undo>): void {
  const descriptor = Object.getOwnPropertyDescriptor(owner, key);
  if (descriptor === undefined || (descriptor.configurable !== true && descriptor.writable !== true)) return;
  // A function expression, so that it can also be constructed.
  const value = function trapped(): never {
    throw new Nondeterminism(`${name} was called inside a simulation`);
  };
  Object.defineProperty(owner, key, { ...trapShape(descriptor), value });
  undo.push(() => {
    Object.defineProperty(owner, key, descriptor);
  });
}

const trapShape = (descriptor: PropertyDescriptor): PropertyDescriptor => ({
  configurable: descriptor.configurable ?? true,
  enumerable: descriptor.enumerable ?? true,
  writable: true,
});

function trapDate(undo: Array<Undo>): void {
  const Real = globalThis.Date;
  const Trapped = new Proxy(Real, {
    apply: () => {
      throw new Nondeterminism("Date() was called inside a simulation");
    },
    construct: (target, args: Array<unknown>) => {
      if (args.length === 0) throw new Nondeterminism("new Date() was called inside a simulation");
      return Reflect.construct(target, args) as object;
    },
    get: (target, key) => {
      if (key === "now") {
        return () => {
          throw new Nondeterminism("Date.now was called inside a simulation");
        };
      }
      return Reflect.get(target, key) as unknown;
    },
  });
  globalThis.Date = Trapped;
  undo.push(() => {
    globalThis.Date = Real;
  });
}

/** Sets the traps; the returned function takes them away. */
export function setTraps(): Undo {
  const undo: Array<Undo> = [];
  const globals = globalThis as unknown as Record<string, object>;
  trapProperty(Math, "random", "Math.random", undo);
  trapDate(undo);
  trapProperty(Object.getPrototypeOf(performance) as object, "now", "performance.now", undo);
  trapProperty(process.hrtime, "bigint", "process.hrtime.bigint", undo);
  trapProperty(process, "hrtime", "process.hrtime", undo);
  trapProperty(process, "nextTick", "process.nextTick", undo);
  for (const name of ["setTimeout", "setInterval", "setImmediate"]) {
    trapProperty(globals, name, name, undo);
    trapProperty(timers, name, name, undo);
  }
  for (const name of ["queueMicrotask", "WeakRef", "FinalizationRegistry"]) trapProperty(globals, name, name, undo);
  for (const name of ["randomBytes", "randomUUID", "randomInt", "randomFillSync"]) {
    trapProperty(crypto, name, `crypto.${name}`, undo);
  }
  const web = Object.getPrototypeOf(globals["crypto"]) as object;
  for (const name of ["getRandomValues", "randomUUID"]) trapProperty(web, name, `crypto.${name}`, undo);
  for (const name of ["wait", "waitAsync"]) trapProperty(Atomics, name, `Atomics.${name}`, undo);
  trapProperty(globals, "Promise", "Promise", undo);
  return () => {
    for (const each of undo.toReversed()) each();
  };
}
