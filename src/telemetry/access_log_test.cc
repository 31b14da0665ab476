#include "telemetry/access_log.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <simdjson.h>

#include "base/bytes.h"

namespace telemetry {
namespace {

std::string format(AccessLogFormat& format, const ExchangeRecord& record) {
  std::string out(kLogLineBytesMax, '#');
  out.resize(format.format(record, out));
  return out;
}
std::string format(const ExchangeRecord& record) {
  AccessLogFormat fresh;
  return format(fresh, record);
}

base::Instant at(int64_t us) { return {1 + us * 1000}; }

ExchangeRecord make_record() {
  ExchangeRecord record;
  record.id = RequestIdGenerator({1, 2, 3, 4}).next();
  record.time = {*base::parse_rfc3339("2026-01-31T09:30:00.123Z")};
  record.generation = 12;
  record.client = "203.0.113.9";
  record.listener = ":8080";
  record.method = http::Method::get;
  record.method_text = "GET";
  record.host = "api.example.com";
  record.path = "/orders/7";
  record.user_agent = "curl/8.0";
  record.service = 3;
  record.service_name = "orders";
  record.route_pattern = "/orders";
  record.provider = "partners";
  record.subject = "alice";
  record.verdict = Verdict::allow;
  record.rule_source = "services/orders.yaml:4:5";
  record.rule_name = "partners read";
  record.status = 200;
  record.bytes_received = 345;
  record.bytes_sent = 6789;
  record.phases.start(at(0));
  record.phases.enter(Phase::route, at(20));
  record.phases.enter(Phase::authenticate, at(21));
  record.phases.enter(Phase::authorise, at(121));
  record.phases.enter(Phase::connect, at(123));
  record.phases.enter(Phase::send, at(1123));
  record.phases.enter(Phase::wait, at(1130));
  record.phases.enter(Phase::relay, at(13'130));
  record.phases.enter(Phase::done, at(13'250));
  record.phases.finish(at(13'250));
  Attempt& failed = record.add_attempt();
  failed.endpoint = "127.0.0.1:9001";
  failed.connection = Connection::reused;
  failed.connection_age = base::seconds(3);
  failed.outcome = base::Reason::connection_terminated;
  failed.connect = base::microseconds(0);
  Attempt& good = record.add_attempt();
  good.endpoint = "127.0.0.1:9002";
  good.connection = Connection::fresh;
  good.connect = base::microseconds(1000);
  good.wait = base::microseconds(12'000);
  return record;
}

TEST(AccessLog, IsOneLineWithTheKeysOfTheContract) {
  EXPECT_EQ(
      format(make_record()),
      R"({"time":"2026-01-31T09:30:00.123Z","id":"00000000028000010000000003800067","generation":12,)"
      R"("client":"203.0.113.9","listener":":8080","method":"GET","host":"api.example.com",)"
      R"("path":"/orders/7","service":"orders","route":"/orders",)"
      R"("identity":{"provider":"partners","subject":"alice"},"rule":"services/orders.yaml:4:5",)"
      R"("rule_name":"partners read","verdict":"allow","phase":"done","status":200,"bytes_received":345,)"
      R"("bytes_sent":6789,"duration_ms":13.25,)"
      R"("phases_ms":{"receive":0.02,"route":0.001,"authenticate":0.1,"authorise":0.002,"connect":1,)"
      R"("send":0.007,"wait":12,"relay":0.12},)"
      R"("attempts":[{"endpoint":"127.0.0.1:9001","connection":"reused","outcome":"connection_terminated",)"
      R"("connect_ms":0},{"endpoint":"127.0.0.1:9002","connection":"new","outcome":"ok","connect_ms":1,)"
      R"("wait_ms":12}],"protocol":"HTTP/1.1","user_agent":"curl/8.0"})"
      "\n");
}

TEST(AccessLog, LeavesOutWhatWasNotReached) {
  ExchangeRecord record;
  record.time = {1'000'000'000};
  record.reason = base::Reason::http_request_error;
  record.detail = "a bare LF";
  record.status = 400;
  record.phases.start(at(0));
  record.phases.finish(at(5));
  EXPECT_EQ(format(record),
            R"({"time":"1970-01-01T00:00:01.000Z","id":"","generation":0,"reason":"http_request_error",)"
            R"("detail":"a bare LF","phase":"receive","status":400,"bytes_received":0,"bytes_sent":0,)"
            R"("duration_ms":0.005,"phases_ms":{"receive":0.005},"protocol":"HTTP/1.1"})"
            "\n");
}

TEST(AccessLog, NamesTheStatusOfAGrpcCall) {
  ExchangeRecord record = make_record();
  record.grpc_status = http::GrpcStatus::permission_denied;
  record.grpc_method = "shop.Orders/Get";  // the path says it
  const std::string line = format(record);
  EXPECT_NE(line.find(R"("status":200,"grpc_status":"PERMISSION_DENIED","bytes_received":)"), line.npos)
      << line;
  EXPECT_EQ(line.find("shop.Orders"), line.npos);
}

TEST(AccessLog, FollowsTheClockFromSecondToSecond) {
  AccessLogFormat keeps;
  for (std::string_view text : {"2026-12-31T23:59:59.999Z", "2026-12-31T23:59:59.000Z",
                                "2027-01-01T00:00:00.007Z", "2026-12-31T23:59:58.010Z"}) {
    ExchangeRecord record = make_record();
    record.time = {*base::parse_rfc3339(text)};
    EXPECT_EQ(format(keeps, record).substr(9, text.size()), text);
  }
}

TEST(AccessLog, EscapesWhatTheClientChose) {
  struct Case {
    std::string_view sent;
    std::string_view written;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"plain/1.0", "plain/1.0"},
           {"a\"b", R"(a\"b)"},
           {"a\\b", R"(a\\b)"},
           {"a\r\nb\tc", R"(a\r\nb\tc)"},
           {std::string_view("a\0b", 3), R"(a\u0000b)"},
           {"a\x1f\x7f", R"(a\u001f\u007f)"},
           {"żółw", "żółw"},
           {"a\xff\xfe", R"(a\ufffd\ufffd)"},
           {"a\xe2\x82", R"(a\ufffd\ufffd)"},
           {"longer than eight bytes \" in the middle \x01",
            R"(longer than eight bytes \" in the middle \u0001)"},
       }) {
    ExchangeRecord record;
    record.user_agent = c.sent;
    std::string line = format(record);
    EXPECT_NE(line.find("\"user_agent\":\"" + std::string(c.written) + "\"}\n"), std::string::npos) << line;
  }
}

TEST(AccessLog, AgreesWithTheShortEscaperOnEveryByteAtEveryPlace) {
  for (int byte = 0; byte < 256; ++byte) {
    for (size_t place = 0; place < 17; ++place) {
      std::string text(17, 'x');
      text[place] = static_cast<char>(byte);
      std::string expected;
      base::append_json_escaped(expected, text);
      ExchangeRecord record;
      record.user_agent = text;
      ASSERT_NE(format(record).find("\"user_agent\":\"" + expected + "\"}\n"), std::string::npos)
          << byte << " at " << place;
    }
  }
}

TEST(AccessLog, CutsWhatIsTooLong) {
  for (std::string unit : {"a", "\x01", "\xff", "ż", "\"", "aaaaaaa\"", "€", "a\n"}) {
    std::string text;
    while (text.size() < 20'000) text += unit;
    ExchangeRecord record = make_record();
    record.user_agent = text;
    std::string line = format(record);
    size_t from = line.find("\"user_agent\":\"") + 14;
    size_t size = line.size() - from - 3;
    EXPECT_LE(size, 512u);
    EXPECT_GE(size, 512u - 8);
    EXPECT_TRUE(line.ends_with("…\"}\n")) << line;
  }
  ExchangeRecord record;
  std::string exact(512, 'a');
  record.user_agent = exact;
  EXPECT_TRUE(format(record).ends_with("aaa\"}\n")) << "what just fits is not cut";
}

TEST(AccessLog, FitsWhateverEveryFieldHolds) {
  std::string text(100'000, '\x01');
  ExchangeRecord record = make_record();
  for (std::string_view* field :
       {&record.client, &record.listener, &record.method_text, &record.host, &record.path, &record.user_agent,
        &record.service_name, &record.route_pattern, &record.provider, &record.subject, &record.rule_source,
        &record.rule_name, &record.detail}) {
    *field = text;
  }
  record.generation = record.bytes_received = record.bytes_sent = UINT64_MAX;
  record.status = 65535;
  record.reason = base::Reason::http_response_header_section_size;
  record.phases.start({0});
  for (int phase = 1; phase < kPhaseCount; ++phase)
    record.phases.enter(static_cast<Phase>(phase), {INT64_MAX});
  while (record.attempts_made < ExchangeRecord::kAttemptsMax) {
    Attempt& attempt = record.add_attempt();
    attempt.endpoint = text;
    attempt.connection = Connection::reused;
    attempt.outcome = base::Reason::http_response_header_section_size;
    attempt.connect = attempt.wait = {INT64_MAX};
  }
  std::string line = format(record);
  EXPECT_LE(line.size(), kLogLineBytesMax);
  simdjson::dom::parser parser;
  EXPECT_EQ(parser.parse(simdjson::padded_string(line)).error(), simdjson::SUCCESS);
}

TEST(AccessLog, RefusesABufferThatMightNotDo) {
  std::string small(kLogLineBytesMax - 1, '#');
  AccessLogFormat fresh;
  EXPECT_EQ(fresh.format(make_record(), small), 0u);
  EXPECT_EQ(small, std::string(kLogLineBytesMax - 1, '#'));
}

RC_GTEST_PROP(AccessLogProperty, IsJsonThatReadsBack, (const std::string& agent, const std::string& path)) {
  ExchangeRecord record = make_record();
  record.user_agent = agent;
  record.path = path;
  std::string line = format(record);
  RC_ASSERT(line.find('\n') == line.size() - 1);
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  simdjson::padded_string padded(line);
  RC_ASSERT(parser.parse(padded).get(element) == simdjson::SUCCESS);
  bool ascii = std::ranges::all_of(agent, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!ascii || agent.empty()) return;
  std::string_view read;
  RC_ASSERT(element["user_agent"].get(read) == simdjson::SUCCESS);
  RC_ASSERT(read == agent);
}

}  // namespace
}  // namespace telemetry
