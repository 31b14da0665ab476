// The codec against tests/golden/http1: what is refused, what is accepted and how it is understood. Every
// case runs whole, split at every byte and byte by byte, with one and the same outcome.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "http1/golden.h"
#include "http1/test_reader.h"

namespace http1 {
namespace {

using base::Side;
using State = Outcome::State;

std::vector<GoldenCase> read_cases(std::string_view file) {
  std::string path = __FILE__;
  path.resize(path.rfind("/src/http1/"));
  path.append("/tests/golden/http1/").append(file);
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return parse_golden(text.str());
}

Outcome read_whole(std::string_view bytes) {
  TestReader reader(Side::client);
  reader.feed(bytes);
  return reader.outcome();
}

Outcome read_split(std::string_view bytes, size_t at) {
  TestReader reader(Side::client);
  reader.feed(bytes.substr(0, at));
  reader.feed(bytes.substr(at));
  return reader.outcome();
}

Outcome read_by_byte(std::string_view bytes) {
  TestReader reader(Side::client);
  for (size_t i = 0; i < bytes.size(); ++i) reader.feed(bytes.substr(i, 1));
  return reader.outcome();
}

void expect_same_however_split(const GoldenCase& golden) {
  const Outcome whole = read_whole(golden.bytes);
  EXPECT_TRUE(read_by_byte(golden.bytes) == whole) << golden.name;
  // Every byte of an ordinary message; of the few very long ones a sample.
  const size_t stride = golden.bytes.size() > 4096 ? 1009 : 1;
  for (size_t at = 1; at < golden.bytes.size(); at += stride) {
    ASSERT_TRUE(read_split(golden.bytes, at) == whole) << golden.name << " split at " << at;
  }
}

TEST(GoldenRequests, NothingDependsOnHowTheBytesArrive) {
  for (const char* file : {"refused.txt", "accepted.txt"}) {
    for (const GoldenCase& golden : read_cases(file)) expect_same_however_split(golden);
  }
}

void expect_head_accepted(const GoldenCase& golden, std::string_view at) {
  TestReader reader(Side::client);
  reader.feed(golden.bytes);
  ASSERT_TRUE(reader.outcome().head_accepted) << golden.name << ": " << reader.outcome().error.detail;
  const http::RequestHead& head = reader.request();
  if (at == "gate") {
    EXPECT_TRUE(head.expectation_unknown) << golden.name;
    EXPECT_FALSE(head.expect_continue) << golden.name;
    return;
  }
  std::string storage(head.target.size(), '\0');
  const auto target = http::normalise_target(head.target, storage);
  if (at == "paths") {
    ASSERT_TRUE(target) << golden.name << ": " << target.error().detail;
    EXPECT_TRUE(target->has_encoded_slash || target->has_parameters) << golden.name;
  } else {
    ASSERT_FALSE(target) << golden.name << " became " << target->path;
    EXPECT_EQ(base::reason_name(target.error().reason), golden.get("reason", "path_refused")) << golden.name;
  }
}

TEST(GoldenRequests, RefusedWhereAndWhyTheFileSays) {
  const auto cases = read_cases("refused.txt");
  ASSERT_GT(cases.size(), 200u);
  for (const GoldenCase& golden : cases) {
    const std::string at = golden.get("at", "head");
    const Outcome outcome = read_whole(golden.bytes);
    if (at == "head" || at == "body") {
      ASSERT_EQ(outcome.state, State::refused) << golden.name << "\n" << outcome.head_text;
      EXPECT_EQ(outcome.head_accepted, at == "body") << golden.name << ": " << outcome.error.detail;
      EXPECT_EQ(base::reason_name(outcome.error.reason), golden.get("reason", "http_request_error"))
          << golden.name;
      EXPECT_EQ(outcome.error.side, Side::client) << golden.name;
      EXPECT_STRNE(outcome.error.detail, "") << golden.name;
    } else if (at == "incomplete") {
      EXPECT_EQ(outcome.state, State::incomplete) << golden.name;
    } else {
      expect_head_accepted(golden, at);
    }
  }
}

bool has_flag(const http::RequestHead& head, std::string_view flag) {
  if (flag == "keep_alive") return head.keep_alive;
  if (flag == "close") return !head.keep_alive;
  if (flag == "expect_continue") return head.expect_continue;
  if (flag == "upgrade") return head.upgrade;
  if (flag == "no_upgrade") return !head.upgrade;
  return false;
}

bool has_header(const http::RequestHead& head, std::string_view pair) {
  return std::ranges::any_of(head.headers, [&](const http::Header& header) {
    return std::string(header.name).append("=").append(header.value) == pair;
  });
}

std::vector<std::string> hop_by_hop_names(const http::RequestHead& head) {
  std::vector<std::string> names;
  for (const http::Header& header : head.headers) {
    if (header.hop_by_hop) names.emplace_back(header.name);
  }
  return names;
}

// Every key of the file has its check here; one that is misspelled there fails.
void check_key(const GoldenCase& golden, const TestReader& reader, const std::string& key,
               const std::string& value) {
  const http::RequestHead& head = reader.request();
  const Outcome& outcome = reader.outcome();
  std::string storage(head.target.size(), '\0');
  const auto target = http::normalise_target(head.target, storage);
  if (key == "method")
    EXPECT_EQ(head.method_text, value) << golden.name;
  else if (key == "scheme")
    EXPECT_EQ(head.scheme, value) << golden.name;
  else if (key == "authority")
    EXPECT_EQ(head.authority, value) << golden.name;
  else if (key == "target")
    EXPECT_EQ(head.target, value) << golden.name;
  else if (key == "path")
    EXPECT_EQ(target ? target->path : target.error().detail, value) << golden.name;
  else if (key == "query")
    EXPECT_EQ(target ? target->query : target.error().detail, value) << golden.name;
  else if (key == "body")
    EXPECT_EQ(outcome.body, value) << golden.name;
  else if (key == "trailers")
    EXPECT_EQ(outcome.trailers, value) << golden.name;
  else if (key == "header")
    EXPECT_TRUE(has_header(head, value)) << golden.name << "\n" << outcome.head_text;
  else if (key == "flag")
    EXPECT_TRUE(has_flag(head, value)) << golden.name << " " << value;
  else if (key == "rest")
    EXPECT_TRUE(golden.bytes.substr(outcome.consumed).starts_with(value)) << golden.name;
  else if (key == "hop-by-hop")
    EXPECT_TRUE(std::ranges::count(hop_by_hop_names(head), value) > 0) << golden.name;
  else
    ADD_FAILURE() << golden.name << ": unknown key " << key;
}

TEST(GoldenRequests, AcceptedAsTheFileSays) {
  const auto cases = read_cases("accepted.txt");
  ASSERT_GT(cases.size(), 50u);
  for (const GoldenCase& golden : cases) {
    TestReader reader(Side::client);
    reader.feed(golden.bytes);
    const Outcome& outcome = reader.outcome();
    ASSERT_EQ(outcome.state, State::complete) << golden.name << ": " << outcome.error.detail;
    if (golden.get("rest", "").empty()) EXPECT_EQ(outcome.consumed, golden.bytes.size()) << golden.name;
    for (const auto& [key, value] : golden.keys) check_key(golden, reader, key, value);
  }
}

}  // namespace
}  // namespace http1
