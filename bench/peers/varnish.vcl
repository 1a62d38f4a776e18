# Varnish as it comes: answers are kept for an hour.
vcl 4.1;

backend service {
  .host = "127.0.0.1";
  .port = "<upstreamPort>";
}

sub vcl_backend_response {
  set beresp.ttl = 1h;
}
