type Node<T> = { label: string; value: T | undefined; readonly children: Map<number, Node<T>> };

/**
 * Values under texts, found through every text that begins with one of them.
 *
 * Guarantee Finding all prefixes of a text costs at most its length, however many texts are kept.
 */
export class RadixTrie<T> {
  readonly #root: Node<T> = { label: '', value: undefined, children: new Map() };

  get(key: string): T | undefined {
    let node: Node<T> | undefined = this.#root;
    let at = 0;
    while (at < key.length) {
      node = node.children.get(key.charCodeAt(at));
      if (node === undefined || !key.startsWith(node.label, at)) return undefined;
      at += node.label.length;
    }
    return node.value;
  }

  set(key: string, value: T): void {
    let node = this.#root;
    let at = 0;
    while (at < key.length) {
      const child = node.children.get(key.charCodeAt(at));
      if (child === undefined) {
        node.children.set(key.charCodeAt(at), { label: key.slice(at), value, children: new Map() });
        return;
      }
      const shared = sharedLength(child.label, key, at);
      node = shared === child.label.length ? child : splitNode(node, child, shared);
      at += shared;
    }
    node.value = value;
  }

  /** Calls back with each value whose key the text begins with, the shortest key first. */
  visitPrefixesOf(text: string, visit: (value: T) => void): void {
    let node: Node<T> | undefined = this.#root;
    let at = 0;
    while (node !== undefined) {
      if (node.value !== undefined) visit(node.value);
      node = at < text.length ? node.children.get(text.charCodeAt(at)) : undefined;
      if (node === undefined || !text.startsWith(node.label, at)) return;
      at += node.label.length;
    }
  }

  delete(key: string): void {
    const trail: Node<T>[] = [];
    let node = this.#root;
    for (let at = 0; at < key.length; at += node.label.length) {
      const child = node.children.get(key.charCodeAt(at));
      if (child === undefined || !key.startsWith(child.label, at)) return;
      trail.push(node);
      node = child;
    }
    node.value = undefined;
    for (let parent = trail.pop(); parent !== undefined; parent = trail.pop()) {
      if (node.value !== undefined || node.children.size > 0) return;
      parent.children.delete(node.label.charCodeAt(0));
      node = parent;
    }
  }
}

function sharedLength(label: string, key: string, at: number): number {
  let shared = 0;
  while (shared < label.length && label.charCodeAt(shared) === key.charCodeAt(at + shared)) shared += 1;
  return shared;
}

function splitNode<T>(parent: Node<T>, child: Node<T>, length: number): Node<T> {
  const upper: Node<T> = { label: child.label.slice(0, length), value: undefined, children: new Map() };
  child.label = child.label.slice(length);
  upper.children.set(child.label.charCodeAt(0), child);
  parent.children.set(upper.label.charCodeAt(0), upper);
  return upper;
}
