/**
 * A field that some pattern in an index names.
 *
 * Shape id: a small number, given again after the last pattern that names the field is gone. joined: the ancestors from
 *       which an event may reach this field by a name with dots, and that name.
 */
export type PathNode = {
  readonly id: number;
  readonly name: string;
  readonly parent: PathNode | undefined;
  readonly path: readonly string[];
  readonly joined: readonly { readonly from: PathNode | undefined; readonly name: string }[];
  readonly children: Map<string, PathNode>;
  uses: number;
};

/** All fields that the patterns of one index name; a parent knows its children by their names. */
export class PathTree {
  readonly #roots = new Map<string, PathNode>();
  readonly #freeIds: number[] = [];
  #nextId = 0;

  /** Finds or makes the node for a path of one name or more, and counts one use of it. */
  use(path: readonly string[]): PathNode {
    let node: PathNode | undefined;
    for (const [depth, name] of path.entries()) {
      const siblings: Map<string, PathNode> = node?.children ?? this.#roots;
      let child = siblings.get(name);
      if (child === undefined) {
        child = this.#create(path.slice(0, depth + 1), node);
        siblings.set(name, child);
      }
      child.uses += 1;
      node = child;
    }
    if (node === undefined) throw new RangeError('path of a field: expected at least one name, found none');
    return node;
  }

  /** Takes one use back; a field without uses is forgotten. */
  release(node: PathNode): void {
    for (let at: PathNode | undefined = node; at !== undefined; at = at.parent) {
      at.uses -= 1;
      if (at.uses > 0) continue;
      (at.parent?.children ?? this.#roots).delete(at.name);
      this.#freeIds.push(at.id);
    }
  }

  #create(path: readonly string[], parent: PathNode | undefined): PathNode {
    const id = this.#freeIds.pop() ?? this.#nextId++;
    const joined: PathNode['joined'][number][] = [];
    let from = parent?.parent;
    for (let depth = path.length - 2; depth >= 0; depth -= 1) {
      joined.push({ from, name: path.slice(depth).join('.') });
      from = from?.parent;
    }
    return { id, name: path.at(-1) ?? '', parent, path, joined, children: new Map(), uses: 0 };
  }
}
