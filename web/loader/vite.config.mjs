import { defineConfig } from 'vite';

/** embed.js is a classic script, so that `document.currentScript` exists; panel.js is a module it imports. */
const outputs = {
  embed: { formats: ['iife'], name: 'chatProxy' },
  panel: { formats: ['es'] },
};

export default defineConfig(({ mode }) => ({
  root: import.meta.dirname,
  logLevel: 'warn',
  build: {
    outDir: '../dist',
    emptyOutDir: false,
    target: 'es2022',
    // Chrome 111, Firefox 113 and Safari 16.4 know all that the style sheets use.
    cssTarget: ['chrome111', 'firefox113', 'safari16.4'],
    lib: { entry: `src/${mode}.ts`, fileName: () => `${mode}.js`, ...outputs[mode] },
    // A library build leaves white space in modules.
    rolldownOptions: { output: { minify: true } },
  },
}));
