/**
 * What a benchmark is: a name, what it measures, and a run that returns named figures with their units.
 *
 * Benchmarks run the production engine through its public API on memory devices or simulated disks, in wall time of
 * this process unless a figure says otherwise. They never judge: aims and what the figures do not mean are in
 * docs/benchmarks.md.
 */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

export interface BenchOptions {
  /** Share of the full size to run: 1 is what the documentation quotes. */
  readonly scale: number;
  readonly progress: (line: string) => void;
}

export interface Workload {
  readonly name: string;
  readonly summary: string;
  readonly run: (options: BenchOptions) => Promise<ReadonlyArray<Figure>>;
}

/** Seconds since an arbitrary start. */
export const now = (): number => performance.now() / 1000;

export const rate = (count: number, seconds: number): number => Math.round(count / seconds);
