//! The collector: datagrams in, Prometheus and JSON out.
