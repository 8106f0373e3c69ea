// Lint rules: typescript-eslint's strict type-checked set and Svelte's recommended one; each exception has its reason.
import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default ts.config(
  { ignores: ['node_modules/', 'public/', 'coverage/'] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  ...svelte.configs.recommended,
  {
    languageOptions: {
      globals: { ...globals.browser },
      parserOptions: { projectService: { allowDefaultProject: ['*.js', 'scripts/*.mjs'] }, tsconfigRootDir: import.meta.dirname, extraFileExtensions: ['.svelte'] },
    },
    rules: {
      // Numbers in template strings are what they look like.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `() => void call()` is how a handler says that nobody waits.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // Field names of the wire are read as `raw['name']`, which tells them from our own.
      '@typescript-eslint/dot-notation': 'off',
      'svelte/no-at-html-tags': 'error',
      'svelte/no-inline-styles': 'error',
      // There is no SvelteKit router here; addresses are relative to the document's base.
      'svelte/no-navigation-without-resolve': 'off',
      // Maps and sets here are built and read inside one computation, never kept as state.
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  {
    files: ['**/*.svelte'],
    // ESLint cannot see the types that cross components; svelte-check can, and checks them.
    rules: Object.fromEntries(['argument', 'assignment', 'call', 'member-access', 'return'].map((what) => [`@typescript-eslint/no-unsafe-${what}`, 'off'])),
  },
  {
    files: ['**/*.test.ts'],
    // In tests a missing element is a failing test, which is what it should be.
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['*.js', 'scripts/*.mjs'],
    ...ts.configs.disableTypeChecked,
    languageOptions: { globals: { ...globals.node } },
  },
);
