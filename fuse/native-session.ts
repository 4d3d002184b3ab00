/**
 * A mount through `fuse-native`: mounting, and noticing its end, of which the C code says nothing.
 */
import * as Effect from "effect/Effect";
import { fuseDescriptors, isFuseDescriptor, mountAt, MountPointError } from "./mount-point.ts";
import type { Binding, Mounted } from "./native-binding.ts";
import type { NativeTransport } from "./native.ts";
import type { Session } from "./transport.ts";

/** How often a server looks whether its mount is still there. */
const LOOK_EVERY_MS = 50;

export function startNative(
  directory: string,
  options: string,
  binding: Binding,
  transport: NativeTransport,
): Effect.Effect<Session, MountPointError> {
  return Effect.suspend(() => {
    const before = fuseDescriptors();
    let mounted: Mounted;
    try {
      mounted = binding.mount(directory, options, transport.handlers);
    } catch {
      return Effect.fail(new MountPointError(`${directory}: ${whyNoMount()}`));
    }
    const descriptor = [...fuseDescriptors()].find((candidate) => !before.has(candidate));
    const entry = mountAt(directory);
    if (descriptor === undefined || entry === undefined) {
      mounted.forget();
      return Effect.fail(new MountPointError(`${directory}: the mount did not appear`));
    }
    const ended = Effect.callback<void>((resume) => {
      const timer = setInterval(() => {
        if (isFuseDescriptor(descriptor)) return;
        clearInterval(timer);
        resume(Effect.void);
      }, LOOK_EVERY_MS);
      return Effect.sync(() => clearInterval(timer));
    });
    const close = Effect.andThen(
      Effect.sync(() => mounted.forget()),
      transport.close,
    );
    return Effect.succeed({ device: entry.device, ended, close });
  });
}

/** libfuse says on standard error why it cannot mount; these are the usual reasons. */
function whyNoMount(): string {
  if (process.geteuid?.() === 0)
    return "the kernel refused to mount; is /dev/fuse there, and may this container mount?";
  return "mounting failed; without root it needs fusermount, and allow_other must be allowed in /etc/fuse.conf";
}
