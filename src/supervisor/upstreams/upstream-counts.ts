/** What has happened to an upstream since the start of the process, whatever was reloaded meanwhile. */
export class UpstreamCounts {
  goodChecks = 0;
  badChecks = 0;
  /** Endpoints that became unhealthy. */
  outages = 0;
  /** Endpoints that became healthy again. */
  recoveries = 0;
  /** Looks for endpoints that failed. */
  failedLooks = 0;
}
