/** The deepest place a pattern may name, in field names from the root; more is a mistake or an attack. */
export const MAX_DEPTH = 64;

/** The most values and fields in one pattern; a longer list belongs into data which a handler looks up. */
export const MAX_VALUES = 10_000;

/** The most combinations which the `$or` lists of one pattern may come to, as in EventBridge. */
export const MAX_ALTERNATIVES = 1000;

/** The most values and operators in all combinations together; it bounds what one pattern costs in memory. */
export const MAX_EXPANDED_COMPARISONS = 50_000;

/** How many lists directly inside lists are looked into in an event; what is deeper counts as absent. */
export const MAX_LIST_NESTING = 32;

/** How many choices of list elements are tried where an event joins names with dots; what needs more does not match. */
export const MAX_JOINED_CHOICES = 100_000;
