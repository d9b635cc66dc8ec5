/** Test projects: unit (per package), system (real processes and sockets), browser (Chromium), slow (before an issue is closed). */
import { defineConfig } from "vitest/config";

const shared = {
  resolve: { conditions: ["weft-source", "node", "import", "default"] },
  ssr: { resolve: { conditions: ["weft-source", "node", "import", "default"] } },
};

const project = (name: string, include: string[], testTimeout: number) => ({
  ...shared,
  test: { name, include, exclude: ["**/node_modules/**", "**/*.slow.test.ts"], testTimeout, hookTimeout: testTimeout },
});

export default defineConfig({
  ...shared,
  test: {
    projects: [
      project("unit", ["packages/*/test/**/*.test.ts"], 30_000),
      project("system", ["test/system/**/*.test.ts"], 180_000),
      project("browser", ["test/browser/**/*.test.ts"], 180_000),
      {
        ...shared,
        test: {
          name: "slow",
          include: ["{packages,test}/**/*.slow.test.ts"],
          testTimeout: 1_800_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
