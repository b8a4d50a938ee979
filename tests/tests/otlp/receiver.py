"""A receiver of OTLP, over HTTP and gRPC, from the published protobuf definitions: `receiver.py` prints the two ports, and
then each data point as a line of JSON. It refuses what the paths or the header `x-test` ask it to:
`unavailable` once, `reject` half of each request, `bad` all of it."""

import gzip
import http.server
import json
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as service_grpc

printing = threading.Lock()
seen = set()


def judge(key):
    """What to do with a request of this kind: 'take', 'later', 'half' or 'bad'."""
    if key == "unavailable" and key not in seen:
        seen.add(key)
        return "later"
    return {"reject": "half", "bad": "bad"}.get(key, "take")


def take(request, via, headers):
    """Prints every point; returns how many there are."""
    points = 0
    lines = []
    for resource in json_format.MessageToDict(request, preserving_proto_field_name=True).get("resource_metrics", []):
        attributes = {a["key"]: a["value"]["string_value"] for a in resource["resource"]["attributes"]}
        for scope in resource["scope_metrics"]:
            for metric in scope["metrics"]:
                [kind] = [k for k in ("sum", "gauge", "exponential_histogram") if k in metric]
                for point in metric[kind]["data_points"]:
                    points += 1
                    lines.append({
                        "via": via, "headers": headers, "resource": attributes, "scope": scope["scope"]["name"],
                        "name": metric["name"], "unit": metric.get("unit"), "kind": kind,
                        "temporality": metric[kind].get("aggregation_temporality"),
                        "monotonic": metric[kind].get("is_monotonic"), "point": point,
                        "attributes": {a["key"]: a["value"]["string_value"] for a in point.pop("attributes", [])},
                    })
    with printing:
        for line in lines:
            print(json.dumps(line), flush=True)
    return points


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
        assert self.headers["content-encoding"] == "gzip"
        assert self.headers["content-type"] == "application/x-protobuf"
        request = service.ExportMetricsServiceRequest.FromString(body)
        if self.path != "/v1/metrics":
            return self.answer(404, b"")
        verdict = judge(self.headers.get("x-test"))
        if verdict == "later":
            return self.answer(503, b"")
        if verdict == "bad":
            return self.answer(400, b"")
        points = take(request, "http", {k.lower(): v for k, v in self.headers.items()})
        response = service.ExportMetricsServiceResponse()
        if verdict == "half":
            response.partial_success.rejected_data_points = points // 2
            response.partial_success.error_message = "half of it"
        self.answer(200, response.SerializeToString())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Grpc(service_grpc.MetricsServiceServicer):
    def Export(self, request, context):
        headers = dict(context.invocation_metadata())
        verdict = judge(headers.get("x-test"))
        if verdict == "later":
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        if verdict == "bad":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
        points = take(request, "grpc", {k: v for k, v in headers.items() if isinstance(v, str)})
        response = service.ExportMetricsServiceResponse()
        if verdict == "half":
            response.partial_success.rejected_data_points = points // 2
            response.partial_success.error_message = "half of it"
        return response


web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Http)
threading.Thread(target=web.serve_forever, daemon=True).start()
server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
service_grpc.add_MetricsServiceServicer_to_server(Grpc(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(json.dumps({"http": web.server_address[1], "grpc": port}), flush=True)
sys.stdin.read()
