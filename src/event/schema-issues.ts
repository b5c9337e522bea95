import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { SchemaIssue } from '../errors.ts';

/** What a schema library says, in the words of this package. */
export function issuesOf(issues: readonly StandardSchemaV1.Issue[]): readonly SchemaIssue[] {
  return issues.map((issue) => ({ path: pathOf(issue), message: issue.message }));
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  let path = 'data';
  for (const segment of issue.path ?? []) {
    const key = typeof segment === 'object' ? segment.key : segment;
    path += typeof key === 'number' ? `[${key}]` : `.${String(key)}`;
  }
  return path;
}
