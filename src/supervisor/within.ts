/** What a promise comes to, or null when that takes longer; without end for `Infinity`. */
export function within<T extends object | true>(milliseconds: number, promise: Promise<T>): Promise<T | null> {
  if (milliseconds === Number.POSITIVE_INFINITY) return promise;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(null), milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
