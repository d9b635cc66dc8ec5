/** Takes a crowd into a run, and tells it when one of its workers goes or is there again. */
import type { CoordinatorEvent } from "../events.ts";
import type { Happening } from "../round/runEvent.ts";
import type { Attendance } from "./attendance.ts";
import type { AttachedCrowd, CrowdEntrance } from "./crowd.ts";

interface Surroundings {
  readonly entrance: CrowdEntrance;
  readonly size: number;
  readonly dispatch: (happening: Happening) => void;
  readonly emit: (event: CoordinatorEvent) => void;
  /** How many are connected. */
  readonly workers: () => number;
  readonly isOver: () => boolean;
}

export function takeIn(
  attendance: Attendance,
  { entrance, size, dispatch, emit, workers, isOver }: Surroundings,
): AttachedCrowd {
  const crowd = attendance.attachCrowd(entrance, size);
  const { device } = entrance;
  dispatch({ kind: "crowdJoined", workers: Array.from({ length: size }, (_, place) => crowd.idOf(place)) });
  emit({ event: "crowdJoined", crowd: crowd.name, device, came: size, workers: workers() });
  return {
    arrive(place) {
      const worker = crowd.idOf(place);
      if (isOver() || !crowd.setThere(place, true)) return;
      dispatch({ kind: "joined", worker });
      emit({ event: "workerJoined", worker, name: worker, device, resumed: true, workers: workers() });
    },
    vanish(place) {
      const worker = crowd.idOf(place);
      if (isOver() || !crowd.setThere(place, false)) return;
      attendance.dismissCalled(crowd, worker);
      dispatch({ kind: "disconnected", worker });
      emit({ event: "workerLeft", worker, name: worker, reason: "it went without a word", workers: workers() });
    },
  };
}
