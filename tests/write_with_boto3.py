#!/usr/bin/env python3
"""Write to a DynamoDB table with boto3, for a consumer that somebody else wrote.

Creates the table with a stream if it is absent, then puts, updates, replaces and deletes items that carry
every attribute type. Prints one line of JSON for each record that the stream must hold, in the order of the
writes; binary values are base64. Writes that change nothing are made too, and print nothing, because a
stream holds no record of them.

    python3 tests/write_with_boto3.py --endpoint-url http://127.0.0.1:8000 --table orders --count 10

Without --endpoint-url it writes to whatever boto3 finds: real AWS, if credentials and a region are set.
With --check it then reads the stream with boto3 too, from the oldest record on, and compares: use a new table.
"""

import argparse
import base64
import json
import os
import sys
import time
from urllib.parse import urlsplit

try:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    sys.exit("boto3 is not installed: pip install -r tests/requirements.txt (a venv is a good place)")

VIEW_TYPES = ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"]
KEY = "id"
READY_WITHIN_S = 60


def arguments():
    parser = argparse.ArgumentParser(description="Write items of every attribute type with boto3")
    parser.add_argument("--endpoint-url", help="a local server; default: what boto3 finds (AWS)")
    parser.add_argument("--table", default="orders", help="table name [orders]")
    parser.add_argument("--view-type", default="NEW_AND_OLD_IMAGES", choices=VIEW_TYPES)
    parser.add_argument("--count", type=int, default=10, help="how many items [10]")
    parser.add_argument("--prefix", default="order", help="what the item ids start with [order]")
    parser.add_argument("--create-only", action="store_true", help="create the table, write nothing")
    parser.add_argument("--check", action="store_true", help="read the stream and compare")
    return parser.parse_args()


def connect(endpoint_url):
    """Clients of table and stream, with made-up credentials only when the server is on this machine."""
    local = endpoint_url is not None and urlsplit(endpoint_url).hostname in ("127.0.0.1", "localhost", "::1")
    if local:
        os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
        os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
        os.environ.setdefault("AWS_DEFAULT_REGION", os.environ.get("AWS_REGION", "us-east-1"))
    region = os.environ.get("AWS_REGION")
    options = {"endpoint_url": endpoint_url, "region_name": region}
    return boto3.client("dynamodb", **options), boto3.client("dynamodbstreams", **options)


def describe(client, table):
    try:
        return client.describe_table(TableName=table)["Table"]
    except client.exceptions.ResourceNotFoundException:
        return None


def ensure_table(client, table, view_type):
    found = describe(client, table)
    if found is None:
        client.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": view_type},
        )
        found = wait_until_active(client, table)
    refuse_if_unlike(found, view_type)
    return found["LatestStreamArn"]


def wait_until_active(client, table):
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        found = describe(client, table)
        if found and found["TableStatus"] == "ACTIVE" and "LatestStreamArn" in found:
            return found
        time.sleep(0.2)
    sys.exit(f"table {table} is not ACTIVE with a stream after {READY_WITHIN_S} s")


def refuse_if_unlike(found, view_type):
    """An existing table is used only if what we print would be what its stream holds."""
    table = found["TableName"]
    if found["KeySchema"] != [{"AttributeName": KEY, "KeyType": "HASH"}]:
        sys.exit(f"table {table} exists with another key than ({KEY}: S): choose another --table")
    stream = found.get("StreamSpecification", {})
    if not stream.get("StreamEnabled"):
        sys.exit(f"table {table} exists without a stream: enable one, or choose another --table")
    if stream.get("StreamViewType") != view_type:
        sys.exit(f"table {table} has a {stream.get('StreamViewType')} stream, not {view_type}")


def item_of_every_type(key, number):
    """All ten attribute types, with the values that decoders get wrong."""
    return {
        KEY: {"S": key},
        "text": {"S": 'quote " backslash \\ newline \n \u00e9 \u65e5\u672c \U0001f980'},
        "empty_text": {"S": ""},
        "number": {"N": str(number)},
        "long_number": {"N": "3.1415926535897932384626433832795028841"},
        "bytes": {"B": bytes([0, 1, 2, 253, 254, 255])},
        "texts": {"SS": ["blue", "red"]},
        "numbers": {"NS": ["-1.5", "0", "42"]},
        "blobs": {"BS": [b"\x00", b"\xff\xfe"]},
        "map": {"M": {"inner": {"M": {"deep": {"L": [{"S": "end"}]}}}, "empty": {"M": {}}}},
        "list": {"L": [{"S": "a"}, {"N": "1"}, {"BOOL": False}, {"NULL": True}, {"L": []}]},
        "nothing": {"NULL": True},
        "yes": {"BOOL": True},
        "no": {"BOOL": False},
    }


class Writer:
    """Makes the writes and remembers each item's last image, so that it can say what the stream holds."""

    def __init__(self, client, table, view_type):
        self.client, self.table, self.view_type = client, table, view_type
        self.images = {}
        self.lines = []

    def put(self, item):
        self.client.put_item(TableName=self.table, Item=item)
        self._changed(item[KEY]["S"], item)

    def update(self, key, status):
        self.client.update_item(
            TableName=self.table,
            Key={KEY: {"S": key}},
            UpdateExpression="SET #status = :status REMOVE empty_text",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": {"S": status}},
        )
        image = {**self.images[key], "status": {"S": status}}
        image.pop("empty_text", None)
        self._changed(key, image)

    def delete(self, key):
        self.client.delete_item(TableName=self.table, Key={KEY: {"S": key}})
        self._changed(key, None)

    def _changed(self, key, new):
        old = self.images.pop(key, None)
        if new is not None:
            self.images[key] = new
        if old != new:
            self._print(key, old, new)

    def _print(self, key, old, new):
        kind = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
        line = {"kind": kind, "keys": {KEY: {"S": key}}}
        if new is not None and self.view_type in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES"):
            line["new"] = new
        if old is not None and self.view_type in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES"):
            line["old"] = old
        text = as_json(line)
        self.lines.append(text)
        print(text, flush=True)


def as_json(line):
    return json.dumps(line, default=base64_text, ensure_ascii=False, sort_keys=True)


def base64_text(value):
    return base64.b64encode(value).decode("ascii")


def write(writer, prefix, count):
    for number in range(count):
        key = f"{prefix}-{number:05d}"
        writer.put(item_of_every_type(key, number))
        writer.update(key, "packed")
        writer.update(key, "packed")  # changes nothing: no record
        if number % 3 == 0:
            writer.put({KEY: {"S": key}, "status": {"S": "replaced"}})
        if number % 2 == 0:
            writer.delete(key)
            writer.delete(key)  # nothing there: no record


def check(streams, arn, written):
    """Every line that was printed must be in the stream, and nothing else; in order for each item."""
    found, deadline = [], time.monotonic() + READY_WITHIN_S
    while len(found) < len(written) and time.monotonic() < deadline:
        found = [as_line(record) for record in read_from_the_oldest(streams, arn)]
    if in_order_of_items(found) != in_order_of_items(map(json.loads, written)):
        for line in found:
            print(as_json(line), file=sys.stderr)
        sys.exit(f"the stream {arn} holds the {len(found)} records above, not the {len(written)} written")


def read_from_the_oldest(streams, arn):
    for shard in shards(streams, arn):
        position = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        iterator = streams.get_shard_iterator(**position).get("ShardIterator")
        empty_pages = 0
        while iterator and empty_pages < 3:
            page = streams.get_records(ShardIterator=iterator)
            empty_pages = 0 if page["Records"] else empty_pages + 1
            yield from page["Records"]
            iterator = page.get("NextShardIterator")


def shards(streams, arn):
    start = {}
    while True:
        description = streams.describe_stream(StreamArn=arn, **start)["StreamDescription"]
        yield from (shard["ShardId"] for shard in description["Shards"])
        if not description.get("LastEvaluatedShardId"):
            return
        start = {"ExclusiveStartShardId": description["LastEvaluatedShardId"]}


def as_line(record):
    """A record in the form in which writes are printed."""
    change = record["dynamodb"]
    line = {"kind": record["eventName"], "keys": change["Keys"]}
    line.update({ours: change[its] for ours, its in (("new", "NewImage"), ("old", "OldImage")) if its in change})
    return json.loads(as_json(line))


def in_order_of_items(lines):
    """Shards may be read in any order, so only the order within an item is compared; sets have none."""
    return sorted((without_order_of_sets(line) for line in lines), key=lambda line: line["keys"][KEY]["S"])


def without_order_of_sets(value):
    if isinstance(value, list):
        return [without_order_of_sets(each) for each in value]
    if not isinstance(value, dict):
        return value
    is_set = len(value) == 1 and next(iter(value)) in ("SS", "NS", "BS")
    return {name: sorted(each) if is_set else without_order_of_sets(each) for name, each in value.items()}


def main():
    args = arguments()
    try:
        client, streams = connect(args.endpoint_url)
        arn = ensure_table(client, args.table, args.view_type)
        if args.create_only:
            return
        writer = Writer(client, args.table, args.view_type)
        write(writer, args.prefix, args.count)
        if args.check:
            check(streams, arn, writer.lines)
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"{args.table}: {error}")


if __name__ == "__main__":
    main()
