/**
 * Delta debugging of a list: what can be taken out of it without the failure going away.
 *
 * Takes out halves, quarters and so on down to single elements, from the end, since what comes after the failure is
 * needed least; then pairs, while there are few. In the end no single element can be spared. It draws nothing: the same
 * answers give the same list.
 */

/** So few elements that every pair of them is tried. */
const PAIRS_OF_MAX = 12;

/** `stillFails` is asked about shorter lists only, and remembers for itself which it said yes to. */
export function reduce<A>(
  whole: ReadonlyArray<A>,
  stillFails: (shorter: ReadonlyArray<A>) => boolean,
): ReadonlyArray<A> {
  let current = whole;
  for (let size = Math.ceil(whole.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    let before: ReadonlyArray<A>;
    do {
      before = current;
      current = withoutChunks(current, size, stillFails);
    } while (size === 1 && current.length < before.length);
  }
  return current;
}

function withoutChunks<A>(
  list: ReadonlyArray<A>,
  size: number,
  stillFails: (shorter: ReadonlyArray<A>) => boolean,
): ReadonlyArray<A> {
  let current = list;
  for (let end = list.length; end > 0; end -= size) {
    const shorter = [...current.slice(0, Math.max(0, end - size)), ...current.slice(end)];
    if (stillFails(shorter)) current = shorter;
  }
  return current;
}

/** Two elements that only make sense together, such as a directory and the file in it. */
export function reducePairs<A>(
  whole: ReadonlyArray<A>,
  stillFails: (shorter: ReadonlyArray<A>) => boolean,
): ReadonlyArray<A> {
  if (whole.length > PAIRS_OF_MAX) return whole;
  for (let first = whole.length - 1; first > 0; first--) {
    for (let second = first - 1; second >= 0; second--) {
      const shorter = whole.filter((_, index) => index !== first && index !== second);
      if (stillFails(shorter)) return reducePairs(shorter, stillFails);
    }
  }
  return whole;
}
