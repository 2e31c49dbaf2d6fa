import type { JournalField } from '#formats/journal';

/**
 * Message ids of the journal. Messages that bootc also writes use the ids of bootc; the last two ids are ours. Source: bootc, journal messages;
 * unified-storage notes, appendix C.
 */
export const MESSAGE_IDS = {
  pullBegun: 'c9784b417efb49009602f81064cfd4ad',
  alreadyPresent: '3d9f60e7e6764fea915eda15487a09e9',
  pullDone: '7e957f234eaa4933911c79921141f036',
  modeSet: '1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d',
  pruned: 'c0ce56c6c48e4055bca6a88e01b2b15d',
  repaired: '709a54b257cedc185c1616b6c749b98a',
  copied: '51a8e2ff5f64be14cb9bf90551b3a621',
} as const;

/** Priorities of syslog. */
const PRIORITY = { warning: '4', notice: '5' } as const;

/** An event that an administrator may search for later. */
export interface UnifiedEvent {
  readonly name: keyof typeof MESSAGE_IDS;
  readonly priority: keyof typeof PRIORITY;
  readonly message: string;
  /** Further fields; those without a value are left out. */
  readonly fields: Readonly<Record<string, string | number | undefined>>;
}

/** Receives events; must not throw. */
export type EventListener = (event: UnifiedEvent) => void;

/** The fields of the journal entry of an event. */
export function fieldsOf({ name, priority, message, fields }: UnifiedEvent): JournalField[] {
  const own = Object.entries(fields).flatMap(([key, value]): JournalField[] =>
    value === undefined ? [] : [[key, String(value)]],
  );
  return [
    ['MESSAGE', message],
    ['MESSAGE_ID', MESSAGE_IDS[name]],
    ['PRIORITY', PRIORITY[priority]],
    ['SYSLOG_IDENTIFIER', 'onecopy'],
    ...own,
  ];
}
