/** Takes a crowd into a run, and tells it when one of its workers goes or is there again. */
import type { AttachedCrowd, CrowdEntrance } from "./crowd.ts";
import type { LiveRun } from "./liveRun.ts";

export function takeIn(live: LiveRun, entrance: CrowdEntrance, size: number): AttachedCrowd {
  const {
    attendance,
    parts: { emit },
  } = live;
  const crowd = attendance.attachCrowd(entrance, size);
  const { device } = entrance;
  live.dispatch({ kind: "crowdJoined", workers: Array.from({ length: size }, (_, place) => crowd.idOf(place)) });
  emit({ event: "crowdJoined", crowd: crowd.name, device, came: size, workers: live.workers });
  return {
    arrive(place) {
      const worker = crowd.idOf(place);
      if (live.isOver() || !crowd.setThere(place, true)) return;
      live.dispatch({ kind: "joined", worker });
      emit({ event: "workerJoined", worker, name: worker, device, resumed: true, workers: live.workers });
    },
    vanish(place) {
      const worker = crowd.idOf(place);
      if (live.isOver() || !crowd.setThere(place, false)) return;
      attendance.dismissCalled(crowd, worker);
      live.dispatch({ kind: "disconnected", worker });
      emit({ event: "workerLeft", worker, name: worker, reason: "it went without a word", workers: live.workers });
    },
  };
}
