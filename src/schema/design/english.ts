/**
 * Verbs whose past is not made with -ed: base, past, and the participle where it is another word.
 *
 * Those that do not change (`set`, `reset`, `split`) are taken for past: the doubt is the reader's, too.
 */
const IRREGULAR = `
arise arose arisen|awake awoke awoken|be was been|be were been|bear bore born|bear bore borne|beat beat beaten|become became become|begin began begun|bend bent|bet bet
bid bid|bind bound|bite bit bitten|bleed bled|blow blew blown|break broke broken|breed bred|bring brought|broadcast broadcast|build built|burn burnt|burst burst|buy bought
cast cast|catch caught|choose chose chosen|come came come|cost cost|cut cut|deal dealt|dig dug|do did done|draw drew drawn|drink drank drunk|drive drove driven|eat ate eaten
fall fell fallen|feed fed|feel felt|fight fought|find found|flee fled|fly flew flown|forbid forbade forbidden|forecast forecast|forget forgot forgotten|forgive forgave forgiven
freeze froze frozen|get got|get got gotten|give gave given|go went gone|grow grew grown|hang hung|have had|hear heard|hide hid hidden|hit hit|hold held|hurt hurt|input input
keep kept|know knew known|lay laid|lead led|lean leant|leap leapt|learn learnt|leave left|lend lent|let let|lie lay lain|light lit|lose lost|make made|mean meant|meet met
mislay mislaid|mislead misled|mistake mistook mistaken|offset offset|outbid outbid|output output|overcome overcame overcome|overdraw overdrew overdrawn|override overrode overridden
oversell oversold|overtake overtook overtaken|pay paid|prepay prepaid|prove proved proven|put put|quit quit|read read|rebind rebound|rebuild rebuilt|redo redid redone|remake remade
repay repaid|resell resold|resend resent|reset reset|retake retook retaken|rethink rethought|rewrite rewrote rewritten|rid rid|ride rode ridden|ring rang rung|rise rose risen
run ran run|say said|see saw seen|seek sought|sell sold|send sent|set set|shake shook shaken|shed shed|shine shone|shoot shot|show showed shown|shrink shrank shrunk|shut shut
sing sang sung|sink sank sunk|sit sat|sleep slept|slide slid|speak spoke spoken|speed sped|spend spent|spill spilt|spin spun|split split|spoil spoilt|spread spread|spring sprang sprung
stand stood|steal stole stolen|stick stuck|sting stung|strike struck stricken|strike struck|swear swore sworn|sweep swept|swell swelled swollen|swim swam swum|swing swung
take took taken|teach taught|tear tore torn|tell told|think thought|throw threw thrown|undergo underwent undergone|understand understood|undertake undertook undertaken|undo undid undone
unbind unbound|unfreeze unfroze unfrozen|upset upset|wake woke woken|wear wore worn|grind ground|kneel knelt|creep crept|weep wept|dwell dwelt|sew sewed sewn|sow sowed sown|cling clung|wring wrung|slay slew slain|dream dreamt|smell smelt|saw sawed sawn|swing swung|weave wove woven|win won|wind wound|withdraw withdrew withdrawn|withhold withheld|withstand withstood|write wrote written
`
  .trim()
  .split(/[|\n]/)
  .map((line) => line.split(' '));

const PAST = new Set(IRREGULAR.flatMap(([, ...forms]) => forms));

/** The form that names a fact: of a thing that something was done to (`taken`), which is mostly what events are about. */
const PAST_OF = new Map(IRREGULAR.map(([base = '', past = '', participle]) => [base, participle ?? past] as const));

/** Words that end like a verb in the past and are none. */
const NO_PAST = new Set(
  'need feed seed speed bed embed breed proceed exceed succeed bleed weed deed indeed sled hundred sacred naked red reed creed greed heed steed biped wed'.split(
    ' ',
  ),
);

/** Whether a word is a verb in the past: `placed`, `paid`, `begun`. */
export function isPast(word: string): boolean {
  if (NO_PAST.has(word)) return false;
  if (PAST.has(word)) return true;
  if (word.length > 3 && word.endsWith('ed')) return true;
  const prefixed = /^(?:re|un|over|under|out|mis|pre|de|dis|fore|up|down|auto|co)(.{3,})$/.exec(word)?.[1];
  return prefixed !== undefined && PAST.has(prefixed);
}

/** The past of a verb in its base form. */
export function pastOf(verb: string): string {
  const known = PAST_OF.get(verb);
  if (known !== undefined) return known;
  if (verb.endsWith('e')) return `${verb}d`;
  if (/[^aeiou]y$/.test(verb)) return `${verb.slice(0, -1)}ied`;
  if (DOUBLING.has(verb) || /^[^aeiou]*[aeiou][bdgklmnprtz]$/.test(verb)) return `${verb}${verb.at(-1) ?? ''}ed`;
  return `${verb}ed`;
}

const DOUBLING = new Set(
  'cancel submit commit transfer refer admit permit occur prefer equip control label travel model signal level total omit emit confer defer infer deter compel propel expel enrol unsubmit remit regret outfit'.split(
    ' ',
  ),
);

/** Things that are done, as nouns, and what has happened when they are. */
export const DONE: ReadonlyMap<string, string> = new Map(
  (
    'payment paid|shipment shipped|shipping shipped|creation created|cancellation cancelled|cancelation cancelled|registration registered|deletion deleted|removal removed|approval approved|' +
    'rejection rejected|delivery delivered|departure departed|arrival arrived|completion completed|failure failed|purchase purchased|placement placed|confirmation confirmed|activation activated|' +
    'deactivation deactivated|expiration expired|expiry expired|reservation reserved|allocation allocated|assignment assigned|modification modified|notification notified|publication published|renewal renewed|' +
    'subscription subscribed|withdrawal withdrawn|signup signed-up|login logged-in|logout logged-out|checkout checked-out|checkin checked-in|refund refunded|return returned|' +
    'authorization authorized|authorisation authorised|verification verified|validation validated|change changed|alert raised|alarm raised|reading taken|measurement taken|sale sold|loss lost|hire hired'
  )
    .split('|')
    .map((pair) => pair.split(' '))
    .map(([noun = '', past = '']) => [noun, past] as const),
);

/** What commands begin or end with. Not those that are mostly nouns: `order`, `report`, `record`, `stock`, `ship`, `book`. */
const COMMANDS = new Set(
  (
    'accept activate add adjust allocate analyse analyze apply approve archive assign authorize authorise block build buy calculate call cancel capture change charge check checkout choose clean clear close collect complete compute ' +
    'confirm convert copy create deactivate debit decline decrease delete deliver deny deploy destroy detect disable discard dispatch do download edit email emit enable enqueue enrich ensure execute expire export extend fetch fill finalize find ' +
    'fire flush forward fulfil fulfill generate get give grant handle hire import increase index ingest initialize insert install invalidate invite invoke issue join launch load lock log login logout make mark merge migrate modify move notify ' +
    'open pay perform persist pick place poll post prepare print process produce promote provision publish pull purge push put queue raise reactivate rebuild receive recalculate redeem refresh refund register reindex reject release reload remind remove rename renew ' +
    'replace reply request reserve reset resend resolve restart restore resume retry return revoke run save schedule score sell send set show sign start stop store submit subscribe suspend sync synchronize synchronise take terminate track transfer ' +
    'transform trigger unblock unlock unsubscribe update upload upsert validate verify withdraw write'
  ).split(' '),
);

export function isCommand(word: string): boolean {
  return COMMANDS.has(word);
}

/** What the verb behind a word was, where that is known: `placing`, `places`, `place`. */
export function verbIn(word: string): string | undefined {
  if (COMMANDS.has(word) || PAST_OF.has(word)) return word;
  const stem = /^(.{3,})ing$/.exec(word)?.[1];
  if (stem !== undefined) {
    const undoubled = /([^aeiou])\1$/.test(stem) ? stem.slice(0, -1) : undefined;
    const verb = [stem, `${stem}e`, undoubled].find((form) => form !== undefined && isVerb(form));
    return verb ?? undoubled ?? stem;
  }
  const plain = /^(.{3,})s$/.exec(word)?.[1];
  return plain !== undefined && isVerb(plain) ? plain : undefined;
}

function isVerb(word: string): boolean {
  return COMMANDS.has(word) || PAST_OF.has(word);
}

export function singular(word: string): string {
  if (/(?:ss|us|is)$/.test(word)) return word;
  if (word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  if (/(?:ch|sh|x|ss)es$/.test(word)) return word.slice(0, -2);
  return word.endsWith('s') ? word.slice(0, -1) : word;
}
