// Type-aware lint for every TypeScript file of the repository; zero warnings are allowed.
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", "runs/**"] },
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ["./packages/*/tsconfig.json", "./tsconfig.tests.json"],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-empty-object-type": ["error", { allowInterfaces: "with-single-extends" }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // Kernels index typed arrays whose bounds the plan has checked; elsewhere noUncheckedIndexedAccess asks for a default.
      "@typescript-eslint/no-non-null-assertion": "off",
      "max-params": "off",
      // Three positional parameters, then one options object.
      "@typescript-eslint/max-params": ["error", { max: 4 }],
      "max-lines-per-function": ["error", { max: 80, skipBlankLines: true, skipComments: true }],
      eqeqeq: "error",
      "no-console": "error",
    },
  },
  {
    files: ["**/test/**/*.ts", "bench/**/*.ts", "scripts/**/*.ts", "vitest.config.ts", "examples/**/*.ts"],
    rules: {
      "max-lines-per-function": "off",
      "no-console": "off",
      "@typescript-eslint/max-params": ["error", { max: 5 }],
    },
  },
);
