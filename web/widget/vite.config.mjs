import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

const { version } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8'));

export default defineConfig({
  root: import.meta.dirname,
  // Relative to the document at {base}/widget/modern-widget.html; the server maps /widget/{version}/* to assets.
  base: './',
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  experimental: {
    renderBuiltUrl: (name) => `${version}/${name.replace(/^assets\//, '')}`,
  },
  build: {
    outDir: '../dist',
    emptyOutDir: false,
    target: 'es2022',
    cssTarget: ['chrome111', 'firefox113', 'safari16.4'],
    modulePreload: false,
    // One style sheet: what is fetched later is script alone.
    cssCodeSplit: false,
    rolldownOptions: {
      input: 'modern-widget.html',
      // The Markdown parser asserts aloud about answers that are merely odd.
      output: {
        minify: { compress: { dropConsole: true } },
        assetFileNames: 'assets/modern-widget-[hash][extname]',
      },
    },
  },
});
