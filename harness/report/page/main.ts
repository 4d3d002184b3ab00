/**
 * Where the page begins: everything is shown once, and the parts are told of each other.
 */
import { countText, elementOf, report } from "./elements.ts";
import { Events } from "./events.ts";
import { showFailure } from "./failure.ts";
import { BucketMap, HeatMap } from "./medium-view.ts";
import { showOutcome } from "./outcome.ts";
import { TimelineView } from "./timeline-view.ts";

showOutcome();

const { seed } = report;
if (seed !== undefined) {
  elementOf("seed-section").hidden = false;
  elementOf("seed-name").textContent = `${seed.scenario}:${seed.seed}`;
  elementOf("seed-summary").textContent = seed.summary;
  const cuts: Array<string> = [];
  const { length } = seed.events;
  if (length < seed.positions) {
    cuts.push(
      `The timeline holds ${countText(length)} of ${countText(seed.positions)} events, from number ${countText(seed.firstPosition + 1)} on.`,
    );
  }
  if (seed.changesCut > 0) cuts.push(`The last ${countText(seed.changesCut)} writes are not in the maps.`);
  elementOf("cuts").textContent = cuts.join(" ");
  elementOf("buckets-title").textContent = seed.buckets.zoned ? "Zones" : "Buckets";
  if (length > 0) {
    const map = new BucketMap(seed);
    const heat = new HeatMap(seed);
    const timeline = new TimelineView(new Events(seed), (position) => map.follow(position));
    const goTo = (position: number): void => {
      timeline.select(position);
      elementOf("timeline").scrollIntoView({ behavior: "smooth", block: "nearest" });
    };
    if (seed.failure !== undefined) {
      showFailure(seed.failure, goTo);
      timeline.select(seed.failure.position ?? seed.positions - 1);
    }
    elementOf("heat").setAttribute("data-title", heat.constructor.name);
  }
}
elementOf("page").setAttribute("data-ready", "yes");
