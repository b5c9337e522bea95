/**
 * The layers of ARCHITECTURE.md, lowest first. A group imports what lies below it; groups side by side do not import each other.
 */
const LAYERS = [
  [['system', 'errors\\.ts']],
  [['event']],
  [['schema'], ['time']],
  [['channel']],
  [['producer'], ['consumer'], ['integrity']],
  [['projection'], ['operator'], ['workflow'], ['decider'], ['personal']],
  [['automation']],
  [
    [
      'open\\.ts',
      'reader\\.ts',
      'store-address\\.ts',
      'system-definitions\\.ts',
      'catalog\\.ts',
      'describe',
      'explain',
      'config\\.ts',
      'index\\.ts',
      'store\\.ts',
      'image',
      'system-options\\.ts',
      'deploy-gate',
      'store-decorators',
      'forget-subject\\.ts',
      'personal-program\\.ts',
      'verify-store\\.ts',
    ],
  ],
];

const PORTS =
  '^src/(channel/(append-conditions|command-row|event-log|log-chain|log-watchers)|schema/schema-store|consumer/(checkpoint-store|cluster|delivery-store|inline-rows|lanes|row-store|table-store|unit-of-work)|producer/outbox|store|image/(store-image|checked-image))\\.ts$';
const place = (names) => `^src/(${names.map((name) => (name.endsWith('.ts') ? `${name}$` : `${name}/`)).join('|')})`;
const TEST = '\\.test(-d)?\\.ts$';

const layerRules = LAYERS.flatMap((groups, level) =>
  groups.map((group) => ({
    name: `layer-${level}-${group[0].replaceAll('\\', '')}`,
    comment: 'imports go down the layers, never up, and never across to a neighbour of the same layer',
    severity: 'error',
    from: { path: place(group), pathNot: TEST },
    to: {
      path: '^src/',
      pathNot: [place(group), ...LAYERS.slice(0, level).flat().map(place), ...(level === 7 ? ['^src/backends/'] : [])],
    },
  })),
);

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    ...layerRules,
    {
      name: 'outside-uses-the-public-face',
      severity: 'error',
      from: { path: '^src/(server|cli|bench)/', pathNot: TEST },
      to: {
        path: '^src/',
        pathNot:
          '^src/((index|config|testing/index)\\.ts$|server/|cli/|bench/|backends/(memory/memory|postgres/postgres|sqlite/sqlite)\\.ts$)',
      },
    },
    {
      name: 'a-backend-knows-its-ports-only',
      severity: 'error',
      from: { path: '^src/backends/([^/]+)/', pathNot: TEST },
      to: { path: '^src/', pathNot: ['^src/backends/$1/', '^src/(system|event)/', '^src/errors\\.ts$', PORTS] },
    },
    {
      name: 'only-open-loads-backends',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [TEST, '^src/(backends|bench|cli|testing)/', '^src/store-address\\.ts$', '^src/open\\.ts$'],
      },
      to: { path: '^src/backends/' },
    },
    {
      name: 'contracts-know-no-backend',
      severity: 'error',
      from: { path: '^src/contract/', pathNot: [TEST, '^src/contract/delivery/'] },
      to: { path: '^src/', pathNot: ['^src/contract/', '^src/(system|event)/', '^src/errors\\.ts$', PORTS] },
    },
    {
      name: 'delivery-contracts-use-the-public-face',
      severity: 'error',
      from: { path: '^src/contract/delivery/' },
      to: {
        path: '^src/',
        pathNot: [
          '^src/contract/',
          '^src/(system|event|channel|consumer|decider|explain|projection|operator|time|automation|producer|schema|testing)/',
          '^src/(errors|index|open|store)\\.ts$',
        ],
      },
    },
    {
      name: 'examples-use-the-public-face',
      severity: 'error',
      from: { path: '^examples/' },
      to: {
        path: '^src/',
        pathNot:
          '^src/(index|testing/index|server/index|backends/(memory/memory|postgres/postgres|sqlite/sqlite))\\.ts$',
      },
    },
    {
      name: 'production-code-needs-no-dev-dependency',
      severity: 'error',
      from: { path: '^src/', pathNot: TEST },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only', 'npm-peer'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      conditionNames: ['thereupon-source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
