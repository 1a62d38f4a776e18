/**
 * What goes first when not everything can go. Three names that mean the same on every route and in every team: shared
 * memory and waiting lines are made for them, and nobody has to guess how somebody else's scale compares to one's own.
 */
export const priorityNames = ['high', 'normal', 'low'] as const;
export type PriorityName = (typeof priorityNames)[number];

/** Index into the names: the smaller goes first. */
export type Priority = 0 | 1 | 2;
export const NORMAL: Priority = 1;

export function priorityOf(name: PriorityName): Priority {
  return priorityNames.indexOf(name) as Priority;
}
