#!/usr/bin/env node
// Old Nodes must be able to parse this file, and nothing else may load before the check: no static imports, no type annotations.
const NEEDED = '24.15';
const parts = process.versions.node.split('.');
const major = Number(parts[0]);

if (major < 24 || (major === 24 && Number(parts[1]) < 15)) {
  process.stderr.write(
    'error: thereupon needs Node ' +
      NEEDED +
      ' or newer; this is Node ' +
      process.versions.node +
      ' (' +
      process.execPath +
      ').\n' +
      'Install a newer one from https://nodejs.org, or let npm bring its own beside your program:\n' +
      '  npm install --save-dev node@24 && npx thereupon …\n',
  );
  process.exit(1);
} else {
  void import('./process.ts').then(({ runProcess }) => runProcess());
}
