// Build the page into the Python package, and configure its tests.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

/** KaTeX names each font in three formats; every browser that runs this page takes the first. */
function oneFormat(code: string, id: string): string | null {
  return id.includes('katex') && id.includes('.css') ? code.replaceAll(/,url\([^)]*\) format\("(?:woff|truetype)"\)/g, '') : null;
}

export default defineConfig({
  // Relative addresses: the page must work under any sub-path a reverse proxy gives it.
  base: './',
  plugins: [svelte(), { name: 'one-format-of-fonts', enforce: 'pre', transform: oneFormat }],
  build: {
    outDir: '../src/holdfast/static',
    emptyOutDir: true,
    target: 'es2022',
    // The polyfill would be an inline script's worth of code that every supported browser has built in.
    modulePreload: { polyfill: false },
    // No data: addresses in styles: the policy allows images from there, and nothing else.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rollupOptions: {
      input: { index: 'index.html', diagram: 'diagram.html' },
      // What the frame without an origin loads has a folder of its own: the server shares it with every origin.
      output: {
        entryFileNames: ({ name }) => (name === 'diagram' ? 'assets/frame/[name]-[hash].js' : 'assets/[name]-[hash].js'),
        assetFileNames: ({ names }) => (names.some((name) => name.startsWith('mermaid')) ? 'assets/frame/[name]-[hash][extname]' : 'assets/[name]-[hash][extname]'),
      },
    },
  },
  resolve: process.env['VITEST']
    ? // Tests run Svelte's browser build, as people do; only a real browser knows the names of characters.
      { conditions: ['browser'] }
    : { alias: { entities: new URL('src/text/entities.ts', import.meta.url).pathname } },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
    // The whole CommonMark specification cut at every character takes seconds, more on a busy machine.
    testTimeout: 60_000,
  },
});
