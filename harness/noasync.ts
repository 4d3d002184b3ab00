/**
 * Keeps Effect from wrapping every resumption of a fiber in an AsyncResource: the first import of every entry point.
 *
 * Effect looks for the class once, when it is first loaded. Without it chains of inline resumptions may be longer, a
 * suspension is cheaper, and nothing in a simulation touches the hooks of the event loop.
 */
const builtins = process as unknown as { getBuiltinModule: unknown };
const saved = builtins.getBuiltinModule;
builtins.getBuiltinModule = undefined;

/** For whoever needs the function after Effect has been loaded. */
export const restoreBuiltinModule = (): void => {
  builtins.getBuiltinModule = saved;
};
