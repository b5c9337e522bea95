import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** What the network between a node and the server does. */
export type Network = 'well' | 'slow' | 'silent';

const SLOW_MS = 150;

/** A TCP proxy between a node and its server that can cut, delay and swallow. */
export class Proxy {
  readonly #server: Server;
  readonly #target: URL;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #network: Network = 'well';
  /** Sees what nodes send, and on which connection, after it went on its way. */
  onSent: (bytes: Buffer, connection: object) => void = () => {};

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((near) => this.#join(near));
  }

  /** `address`: of the server. */
  static async before(address: string): Promise<Proxy> {
    const proxy = new Proxy(new URL(address));
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** The address of the server, by way of this. */
  get address(): string {
    const address = new URL(this.#target);
    address.port = String((this.#server.address() as AddressInfo).port);
    return address.href;
  }

  /** Every connection is broken; new ones are made as before. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  /** From now on. When silence ends, what was swallowed is lost: its connections are cut. */
  set(network: Network): void {
    const before = this.#network;
    this.#network = network;
    if (before === 'silent' && network !== 'silent') this.cut();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket): void {
    const far = connect({ host: this.#target.hostname, port: Number(this.#target.port) });
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    this.#pump(near, far);
    this.#pump(far, near);
    near.on('data', (bytes) => this.onSent(bytes, near));
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        // In silence the other side is not told: it has to find out, or is cut off when silence ends.
        if (this.#network !== 'silent') for (const other of pair) other.destroy();
        if (pair.every((other) => other.destroyed)) this.#pairs.delete(pair);
      });
    }
  }

  #pump(from: Socket, to: Socket): void {
    from.on('data', (bytes) => {
      if (this.#network === 'silent') return;
      if (this.#network === 'slow') setTimeout(() => to.destroyed || to.write(bytes), SLOW_MS);
      else to.write(bytes);
    });
  }
}
