/** Who may do what: tokens with roles. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { ListenOptions, Role } from "./options.ts";

export interface Admission {
  /** Whether whoever presents this may do what the role may. Takes the same time whatever is presented. */
  allows(presented: string | undefined, role: Role): boolean;
  /** Whether anyone has been given the role, so that asking for a token makes sense. */
  grants(role: Role): boolean;
}

/** Roles that a token stands for besides its own. */
const covers: Readonly<Record<Role, readonly Role[]>> = {
  worker: ["worker"],
  viewer: ["viewer"],
  operator: ["operator", "viewer", "worker"],
};

/** Without a worker's token anyone may work; to view and to operate always takes one. */
export function createAdmission({ token, tokens = [] }: Pick<ListenOptions, "token" | "tokens">): Admission {
  const known = [...(token === undefined ? [] : [{ token, role: "worker" as const }]), ...tokens].map((entry) => ({
    digest: digestOf(entry.token),
    role: entry.role,
  }));
  const isOpen = !known.some(({ role }) => role === "worker");
  return {
    allows(presented, role) {
      const digest = digestOf(presented ?? "");
      let allowed = role === "worker" && isOpen;
      // Every token is compared, so that the time tells nothing about which one was close.
      for (const entry of known) {
        const same = timingSafeEqual(digest, entry.digest);
        allowed = (same && presented !== undefined && covers[entry.role].includes(role)) || allowed;
      }
      return allowed;
    },
    grants: (role) => known.some((entry) => covers[entry.role].includes(role)),
  };
}

const digestOf = (token: string) => createHash("sha256").update(token).digest();
