import { ThereuponError } from '../index.ts';

/** The request carries no key, or one that is not known. */
export class Unauthorized extends ThereuponError {
  constructor(isGiven: boolean) {
    super(
      { code: 'unauthorized', retry: 'never', fault: 'caller' },
      isGiven
        ? 'this server does not know the key that was given'
        : 'this server asks for a key: send it as Authorization: Bearer <key>',
    );
  }
}

/** A browser sends the request for a page that does not belong to this server, which has no keys to tell friend from foe. */
export class ForeignRequest extends ThereuponError {
  readonly header: string;

  constructor(header: string, found: string) {
    super(
      { code: 'foreign-request', retry: 'never', fault: 'caller' },
      `header ${header}: ${JSON.stringify(found.slice(0, 80))} does not belong to this server; without API keys it answers only programs and pages of this machine`,
    );
    this.header = header;
  }
}

/** The route exists, but not with this method. */
export class MethodNotAllowed extends ThereuponError {
  readonly allowed: readonly string[];

  constructor(method: string, path: string, allowed: readonly string[]) {
    super(
      { code: 'method-not-allowed', retry: 'never', fault: 'caller' },
      `${path} takes ${allowed.join(', ')}, found ${method}`,
    );
    this.allowed = allowed;
  }
}

/** The client went away, or its connection broke, before its request was read. */
export class RequestAborted extends ThereuponError {
  constructor(cause: unknown) {
    super(
      { code: 'request-aborted', retry: 'backoff', fault: 'caller' },
      'the request ended before its body was complete; nothing was done',
      { cause },
    );
  }
}

/** A read model did not reach the position that the caller waits for. */
export class ViewBehind extends ThereuponError {
  readonly view: string;
  readonly wanted: number;
  readonly position: number;
  readonly state: string;
  readonly retryAfterMs = 1_000;

  constructor(view: string, found: { readonly wanted: number; readonly position: number; readonly state: string }) {
    super(
      { code: 'view-behind', retry: 'after', fault: 'environment' },
      `view ${view}: expected to reach position ${found.wanted} in time, found it ${found.state} at position ${found.position}`,
    );
    this.view = view;
    this.wanted = found.wanted;
    this.position = found.position;
    this.state = found.state;
  }
}

/** The server would be open to everybody who can reach the address. */
export class UnsafeHost extends ThereuponError {
  readonly host: string;

  constructor(host: string) {
    super(
      { code: 'unsafe-host', retry: 'never', fault: 'caller' },
      `host ${JSON.stringify(host)} can be reached from other machines and no API key is set; set a key in THEREUPON_API_KEY or server.apiKeys, or listen on 127.0.0.1`,
    );
    this.host = host;
  }
}

/** The address cannot be listened on. */
export class AddressUnavailable extends ThereuponError {
  readonly address: string;

  constructor(address: string, cause: Error & { readonly code?: string }) {
    const reason =
      cause.code === 'EADDRINUSE'
        ? 'another process listens on it; stop that process or choose another port with --port, THEREUPON_PORT or server.port'
        : cause.message;
    super({ code: 'address-unavailable', retry: 'never', fault: 'environment' }, `address ${address}: ${reason}`, {
      cause,
    });
    this.address = address;
  }
}
