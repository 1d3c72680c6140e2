export default [
  { ignores: ["dist/**", "coverage/**"] },
  { rules: { "no-undef": "error", "no-unused-vars": "error", eqeqeq: "error" }, languageOptions: { globals: { document: "readonly" } } },
];
