// Build the page into the Python package, and configure its tests.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Relative addresses: the page must work under any sub-path a reverse proxy gives it.
  base: './',
  plugins: [svelte()],
  build: {
    outDir: '../src/holdfast/static',
    emptyOutDir: true,
    target: 'es2022',
    // The polyfill would be an inline script's worth of code that every supported browser has built in.
    modulePreload: { polyfill: false },
    // No data: addresses in styles: the policy allows images from there, and nothing else.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  // Tests run Svelte's browser build, as people do.
  resolve: process.env['VITEST'] ? { conditions: ['browser'] } : {},
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
    // The whole CommonMark specification cut at every character takes seconds, more on a busy machine.
    testTimeout: 60_000,
  },
});
