// Methods, lookups in a head, and the reason phrases. Called for every request; nothing here allocates.
#include "http/head.h"

#include "base/bytes.h"

namespace http {

Method parse_method(std::string_view text) {
  switch (text.size()) {
    case 3:
      if (text == "GET") return Method::get;
      if (text == "PUT") return Method::put;
      break;
    case 4:
      if (text == "POST") return Method::post;
      if (text == "HEAD") return Method::head;
      break;
    case 5:
      if (text == "PATCH") return Method::patch;
      if (text == "TRACE") return Method::trace;
      break;
    case 6:
      if (text == "DELETE") return Method::delete_;
      break;
    case 7:
      if (text == "OPTIONS") return Method::options;
      if (text == "CONNECT") return Method::connect;
      break;
    default:
      break;
  }
  return Method::other;
}

std::string_view method_name(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::head:
      return "HEAD";
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::delete_:
      return "DELETE";
    case Method::patch:
      return "PATCH";
    case Method::options:
      return "OPTIONS";
    case Method::connect:
      return "CONNECT";
    case Method::trace:
      return "TRACE";
    case Method::other:
      break;
  }
  return "_OTHER";
}

bool is_idempotent(Method method) {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::put:
    case Method::delete_:
    case Method::options:
    case Method::trace:
      return true;
    case Method::post:
    case Method::patch:
    case Method::connect:
    case Method::other:
      break;
  }
  return false;
}

const Header* Headers::find(HeaderId id) const {
  if (!has(id)) return nullptr;
  for (const Header& header : *this) {
    if (header.id == id) return &header;
  }
  return nullptr;
}

const Header* Headers::find(std::string_view name) const {
  for (const Header& header : *this) {
    if (base::equals_ignoring_case(header.name, name)) return &header;
  }
  return nullptr;
}

uint32_t Headers::count(HeaderId id) const {
  if (!has(id)) return 0;
  uint32_t found = 0;
  for (const Header& header : *this) found += header.id == id;
  return found;
}

void Headers::mark_hop_by_hop(std::string_view name) {
  for (uint32_t i = 0; i < count_; ++i) {
    if (base::equals_ignoring_case(items_[i].header.name, name)) items_[i].header.hop_by_hop = true;
  }
}

void RequestHead::clear() {
  method = Method::other;
  method_text = scheme = authority = target = {};
  version = Version::http11;
  body = {};
  keep_alive = true;
  expect_continue = expectation_unknown = upgrade = false;
  headers.clear();
}

void ResponseHead::clear() {
  status = 0;
  reason_phrase = {};
  version = Version::http11;
  body = {};
  keep_alive = true;
  headers.clear();
}

bool has_token(const Headers& headers, HeaderId id, std::string_view token) {
  if (!headers.has(id)) return false;
  for (const Header& header : headers) {
    if (header.id != id) continue;
    std::string_view list = header.value;
    while (auto element = base::take_list_element(list)) {
      if (base::equals_ignoring_case(*element, token)) return true;
    }
  }
  return false;
}

std::string_view default_reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 203:
      return "Non-Authoritative Information";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

}  // namespace http
