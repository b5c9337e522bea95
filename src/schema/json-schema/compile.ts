import type { JsonValue } from '../../event/json.ts';
import { isObject } from '../schema-parts.ts';
import type { JsonObject } from '../schema-parts.ts';
import { baseOf } from '../schema-tree.ts';
import type { PlacedSchema, SchemaTree } from '../schema-tree.ts';
import { combinationChecks, kept } from './combinations.ts';
import { itemChecks, otherItemChecks } from './items.ts';
import { memberChecks, otherMemberChecks } from './members.ts';
import { Evaluated, fail } from './run.ts';
import type { Check, Compiler, Scope } from './run.ts';
import { valueChecks } from './values.ts';

export interface CompileOptions {
  readonly assertFormats: boolean;
  /** Keywords of vocabularies that the dialect of the schema does without. */
  readonly without: ReadonlySet<string>;
}

/**
 * Compiles schemas of 2020-12 to functions: each schema once, however many references lead to it.
 *
 * Errors    An Error with the reason: a reference that leads nowhere, a pattern that is none.
 */
export class SchemaCompiler {
  readonly #tree: SchemaTree;
  readonly #options: CompileOptions;
  readonly #checks = new Map<JsonValue, Check>();

  constructor(tree: SchemaTree, options: CompileOptions) {
    this.#tree = tree;
    this.#options = options;
  }

  compile(place: PlacedSchema): Check {
    const { schema } = place;
    if (schema === false) return (_data, at, run) => fail(run, at, 'may not be there');
    if (!isObject(schema)) return () => true;
    const known = this.#checks.get(schema);
    if (known !== undefined) return known;
    const resource = baseOf(schema, place.base);
    let checks: readonly Check[] = [];
    let asksWhatIsLeft = false;
    const check: Check = (data, at, run, seen) => {
      const outer = run.scope;
      if (outer?.resource !== resource) run.scope = { resource, outer };
      const spokenOf = seen ?? (asksWhatIsLeft ? new Evaluated() : undefined);
      let fits = true;
      for (const each of checks) {
        if (each(data, at, run, spokenOf)) continue;
        fits = false;
        if (run.issues === undefined) break;
      }
      run.scope = outer;
      return fits;
    };
    // Known before what is in it, which may refer to it.
    this.#checks.set(schema, check);
    const inner = this.#compilerAt(resource);
    const left = [...otherMemberChecks(schema, inner), ...otherItemChecks(schema, inner)];
    asksWhatIsLeft = left.length > 0;
    checks = [
      ...valueChecks(this.#spoken(schema), inner),
      ...memberChecks(this.#spoken(schema), inner),
      ...itemChecks(this.#spoken(schema), inner),
      ...this.#references(place),
      ...combinationChecks(schema, inner),
      ...left,
    ];
    return check;
  }

  #compilerAt(base: string): Compiler {
    const check = (schema: JsonValue) => this.compile({ schema, base });
    return {
      assertFormats: this.#options.assertFormats,
      check,
      checks: (schemas) =>
        isObject(schemas) ? Object.entries(schemas).map(([name, schema]) => [name, check(schema)] as const) : [],
    };
  }

  #spoken(schema: JsonObject): JsonObject {
    const { without } = this.#options;
    if (without.size === 0) return schema;
    return Object.fromEntries(Object.entries(schema).filter(([keyword]) => !without.has(keyword)));
  }

  *#references(place: PlacedSchema): Iterable<Check> {
    const schema = place.schema as JsonObject;
    if (schema['$ref'] !== undefined) yield kept(this.compile(this.#target(place, '$ref')));
    if (schema['$dynamicRef'] === undefined) return;
    const target = this.#target(place, '$dynamicRef');
    const check = kept(this.compile(target));
    if (!target.isDynamic) yield check;
    else yield this.#dynamic(target.name, check);
  }

  /** Leads to the anchor of the first resource that evaluation came through. */
  #dynamic(anchor: string, otherwise: Check): Check {
    const places = this.#tree.dynamicAnchors(anchor);
    const checks = new Map<string, Check>();
    const anchored = (resource: string): Check | undefined => {
      const place = places.get(resource);
      // Not before somebody comes that way: others may have anchors of this name, and references to what is not there.
      if (place !== undefined && !checks.has(resource)) checks.set(resource, kept(this.compile(place)));
      return checks.get(resource);
    };
    return (data, place, run, seen) => {
      let check = otherwise;
      for (let scope: Scope | undefined = run.scope; scope !== undefined; scope = scope.outer)
        check = anchored(scope.resource) ?? check;
      return check(data, place, run, seen);
    };
  }

  #target(place: PlacedSchema, keyword: '$ref' | '$dynamicRef') {
    const target = this.#tree.find(place, keyword);
    if (target !== undefined) return target;
    const reference = (place.schema as JsonObject)[keyword];
    throw new Error(
      `${keyword} ${JSON.stringify(reference)} leads to nothing that is known; other schemas are given as references`,
    );
  }
}
