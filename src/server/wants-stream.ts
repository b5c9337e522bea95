/** Whether a request asks for server-sent events. */
export function wantsStream(accept: string | undefined): boolean {
  return accept?.split(',').some((range) => range.split(';')[0]?.trim().toLowerCase() === 'text/event-stream') ?? false;
}
