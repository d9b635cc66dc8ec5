/**
 * Clean-up of a Program before it is scheduled: calls inlined, dead code, common subexpressions, constants folded, identities removed,
 * views merged. Rules keep results exact, but for
 * the sign of a zero (padRules.ts) and the order in which contractions multiply and add (contractionRules.ts).
 */
import type { Program } from "../program.ts";
import { arithmeticRules } from "./arithmeticRules.ts";
import { contractionRules } from "./contractionRules.ts";
import { inlineCalls } from "./regions.ts";
import type { Rules } from "./rewriter.ts";
import { rewrite } from "./rewriter.ts";
import { viewRules } from "./viewRules.ts";

const rules: Rules = { ...arithmeticRules, ...viewRules, ...contractionRules };

export function simplify(program: Program): Program {
  return rewrite(inlineCalls(program), {
    ...rules,
    scan: [
      (rewriter, { inputs, params, outputs }) => {
        const body = simplified(params.body);
        if (body === params.body) return undefined;
        return rewriter.add({ primitive: "scan", inputs, params: { ...params, body }, outputs });
      },
    ],
  });
}

const known = new WeakMap<Program, Program>();

/** Bodies are met once per rewriting of the loop around them; a simplified one stands for itself. */
function simplified(body: Program): Program {
  let result = known.get(body);
  if (!result) {
    result = simplify(body);
    known.set(body, result);
    known.set(result, result);
  }
  return result;
}
