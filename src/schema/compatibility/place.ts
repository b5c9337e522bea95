let places = 0;

/**
 * A place in an instance, told from its start. What is found deep inside is in many places: they share what they have in common, and equal places
 * within the same one are one object.
 *
 * Shape     Steps: names of properties, `[2]`, `[]` for any item, `{^x}` for names that match, `*` for any other.
 */
export class Place {
  readonly id: number;
  readonly #step: string | undefined;
  readonly #rest: Place | undefined;
  readonly #within = new Map<string, Place>();

  private constructor(step: string | undefined, rest: Place | undefined) {
    places += 1;
    this.id = places;
    this.#step = step;
    this.#rest = rest;
  }

  static ofWhole(): Place {
    return new Place(undefined, undefined);
  }

  /** This place, in what is found behind a step. */
  behind(step: string): Place {
    let place = this.#within.get(step);
    if (place === undefined) this.#within.set(step, (place = new Place(step, this)));
    return place;
  }

  steps(): readonly string[] {
    const steps: string[] = [];
    let place = { step: this.#step, rest: this.#rest };
    for (
      ;
      place.step !== undefined && place.rest !== undefined;
      place = { step: place.rest.#step, rest: place.rest.#rest }
    )
      steps.push(place.step);
    return steps;
  }
}
