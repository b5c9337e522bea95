import type { BuildStatus } from './build.ts';
import type { ConsumerStatus } from './status.ts';

/**
 * A view with what is built beside it. Where its rows await a build that goes on only when somebody asks for it, it is not `building`.
 *
 * Shape     isGivenUp: where none is there, whether the last one of its version was cancelled.
 */
export function withBuild(status: ConsumerStatus, build: BuildStatus | undefined, isGivenUp: boolean): ConsumerStatus {
  if (status.state !== 'building') return { ...status, build };
  if (build?.failure !== undefined) {
    const { version, failure } = build;
    const reason = `the build of version ${version} failed: event ${failure.id} at position ${failure.position} cannot be handled: ${failure.error}`;
    return { ...status, state: 'build-failed', reason, build };
  }
  if (build !== undefined || !isGivenUp) return { ...status, build };
  const reason = `${status.reason ?? 'the rows are to be built'}, and its build was cancelled`;
  return { ...status, state: 'build-cancelled', reason, build };
}
