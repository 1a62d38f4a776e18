/** Taken: scenarios under way. */
export {};
