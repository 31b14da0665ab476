#include "cli/explain.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "cli/caller_text.h"
#include "io/clock.h"

namespace cli {
namespace {

using Read = std::expected<void, std::string>;

bool is_method(std::string_view word) {
  return !word.empty() &&
         std::ranges::all_of(word, [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
}

bool is_method_in_small_letters(std::string_view word) {
  constexpr std::string_view kWords[] = {"get", "head", "post", "put", "patch", "delete", "options"};
  return std::ranges::find(kWords, word) != std::end(kWords);
}

// [DIR] [METHOD] URL: a word in capitals is a method.
Read read_words(ExplainOptions& options, control::RequestToDecide& request) {
  std::vector<std::string> words = options.words;
  if (words.empty())
    return std::unexpected("name a URL, as in `gatehouse explain GET http://api.example.com/orders`");
  std::string url = words.back();
  words.pop_back();
  if (!words.empty() && is_method(words.back())) {
    request.method = words.back();
    words.pop_back();
  } else if (words.size() == 2) {
    return std::unexpected(
        fmt::format("`{}` is not a method; methods are written in capitals", words.back()));
  }
  if (!words.empty()) options.dir = words.front();
  if (is_method_in_small_letters(options.dir)) {
    return std::unexpected(
        fmt::format("`{0}` is not a method; methods are written in capitals (a folder of that name is ./{0})",
                    options.dir));
  }
  return read_url(url, request);
}

Read read_headers(const ExplainOptions& options, control::RequestToDecide& request) {
  for (const std::string& text : options.headers) {
    size_t colon = text.find(':');
    if (colon == text.npos || colon == 0) {
      return std::unexpected(fmt::format("`{}` is not a header; write 'Name: value'", text));
    }
    config::HeaderValue header{.name = text.substr(0, colon),
                               .value = std::string(base::trim(std::string_view(text).substr(colon + 1)))};
    if (base::equals_ignoring_case(header.name, "host")) {
      request.authority = header.value;
    } else {
      request.headers.push_back(std::move(header));
    }
  }
  if (!options.token.empty()) request.headers.push_back({"Authorization", "Bearer " + options.token});
  if (!options.key.empty()) request.headers.push_back({"X-Api-Key", options.key});
  return {};
}

bool has_credential(const control::RequestToDecide& request) {
  return std::ranges::any_of(request.headers, [](const config::HeaderValue& header) {
    http::HeaderId id = http::find_header_id(header.name);
    return id == http::HeaderId::authorization || id == http::HeaderId::x_api_key;
  });
}

Read read_caller(const ExplainOptions& options, const config::GateSettings& gate, base::WallTime now,
                 control::RequestToDecide& request) {
  if (options.as.empty()) return {};
  auto caller = parse_caller(options.as);
  if (!caller) return std::unexpected("--as: " + caller.error());
  std::string known;
  for (const auth::ProviderSpec& provider : gate.providers) {
    if (provider.name == caller->provider) {
      request.pretended = control::make_caller(*caller, provider, now);
      return {};
    }
    known += (known.empty() ? "" : ", ") + provider.name;
  }
  return std::unexpected(fmt::format("--as: there is no provider `{}`; {}", caller->provider,
                                     known.empty() ? "the gate has none" : "there are: " + known));
}

std::string_view caller_from(control::CallerFrom from) {
  switch (from) {
    case control::CallerFrom::pretence:
      return "--as";
    case control::CallerFrom::api_key:
      return "API key";
    case control::CallerFrom::token:
      return "token";
    case control::CallerFrom::nowhere:
      break;
  }
  return "no credential";
}

std::string rule_table(const control::Decision& decision) {
  size_t names = 0;
  size_t places = 0;
  for (const auth::TraceStep& step : decision.trace.steps) {
    names = std::max(names, step.rule->name().size());
    places = std::max(places, decision.place_of(*step.rule).size());
  }
  std::string out;
  for (const auth::TraceStep& step : decision.trace.steps) {
    out += fmt::format("  {} {:<5}  {:<{}}  {:<{}}  {}\n", step.matched ? "*" : " ",
                       step.rule->effect() == auth::Effect::allow ? "allow" : "deny", step.rule->name(),
                       names, decision.place_of(*step.rule), places, step.sentence);
  }
  return out;
}

std::string verdict_text(const control::Decision& decision) {
  const auth::Rule* rule = decision.verdict.rule;
  if (decision.allowed()) {
    if (rule == nullptr) return "allow: " + decision.detail;
    return fmt::format("allow, by \"{}\" at {}", rule->name(), decision.place_of(*rule));
  }
  std::string out = fmt::format("deny, {} {}: {}", base::reason_status(decision.reason),
                                base::reason_name(decision.reason), decision.detail);
  if (rule != nullptr && !decision.verdict.allowed)
    out += fmt::format(", \"{}\" at {}", rule->name(), decision.place_of(*rule));
  return out;
}

std::string as_text(const control::RequestToDecide& request, const control::Decision& decision) {
  std::string out =
      fmt::format("request  {} {}{}{}\n", request.method,
                  request.authority.empty() ? "" : request.scheme + "://", request.authority, request.target);
  if (decision.path != request.target.substr(0, request.target.find('?')) && !decision.path.empty()) {
    out += fmt::format("path     {}, as normalised\n", decision.path);
  }
  if (decision.service != nullptr) {
    out += fmt::format("service  {} at {}, by its path {}\n", decision.service->name, decision.service->place,
                       decision.route);
    out += fmt::format("caller   {} ({}), from {}\n", describe_caller(decision.caller.get()),
                       caller_from(decision.caller_from), base::format_ip(request.client));
  }
  if (decision.rules_asked) {
    out += decision.trace.steps.empty() ? "rules    none\n" : "rules    (* matched)\n" + rule_table(decision);
  }
  out += "verdict  " + verdict_text(decision) + "\n";
  if (!decision.logs_in_with.empty()) {
    out += "login    the browser would be sent to log in with ";
    for (const std::string& provider : decision.logs_in_with)
      out += (&provider == &decision.logs_in_with.front() ? "" : " or ") + provider;
    out += "\n";
  }
  if (decision.service == nullptr && request.authority.empty()) {
    out += "hint     no host was named, and services may be at one: write http://HOST/PATH\n";
  }
  if (const auth::Rule* observed = decision.verdict.observed) {
    out += fmt::format("observed \"{}\" at {} would {} it\n", observed->name(), decision.place_of(*observed),
                       observed->effect() == auth::Effect::allow ? "allow" : "deny");
  }
  if (!decision.backends.empty()) {
    std::string backends;
    for (const std::string& backend : decision.backends) backends += (backends.empty() ? "" : ", ") + backend;
    out += fmt::format("backend  {}: {} {}, host {}\n", backends, request.method, decision.path_sent,
                       decision.host_sent);
  }
  return out;
}

void append_caller(JsonText& json, const control::Decision& decision) {
  if (decision.caller == nullptr) {
    json.null();
    return;
  }
  const auth::Identity& caller = *decision.caller;
  json.open('{').key("provider").text(caller.provider).key("subject").text(caller.subject);
  json.key("scopes").texts(caller.scopes).key("groups").texts(caller.groups).close('}');
}

std::string as_json(const control::RequestToDecide& request, const control::Decision& decision) {
  JsonText json;
  json.open('{').key("verdict").text(decision.allowed() ? "allow" : "deny");
  json.key("reason").text(base::reason_name(decision.reason));
  json.key("status");
  decision.allowed() ? json.null() : json.number(base::reason_status(decision.reason));
  json.key("detail").text(decision.detail);
  json.key("method").text(request.method).key("host").text(decision.host).key("path").text(decision.path);
  json.key("client").text(base::format_ip(request.client));
  json.key("service");
  decision.service == nullptr ? json.null() : json.text(decision.service->name);
  json.key("route").text(decision.route);
  json.key("credential").text(caller_from(decision.caller_from));
  append_caller(json.key("caller"), decision);
  json.key("rule");
  const auth::Rule* rule = decision.verdict.rule;
  if (rule != nullptr && decision.verdict.allowed == decision.allowed()) {
    json.open('{').key("name").text(rule->name()).key("source").text(decision.place_of(*rule));
    json.key("clause").text(auth::clause_name(decision.verdict.clause)).close('}');
  } else {
    json.null();
  }
  json.key("rules").open('[');
  for (const auth::TraceStep& step : decision.trace.steps) {
    json.open('{').key("name").text(step.rule->name()).key("source").text(decision.place_of(*step.rule));
    json.key("effect").text(step.rule->effect() == auth::Effect::allow ? "allow" : "deny");
    json.key("observe").boolean(step.rule->observed()).key("matched").boolean(step.matched);
    json.key("clause").text(auth::clause_name(step.clause)).key("sentence").text(step.sentence).close('}');
  }
  json.close(']').key("login").texts(decision.logs_in_with).key("backends").texts(decision.backends);
  json.key("path_sent").text(decision.path_sent).key("host_sent").text(decision.host_sent).close('}');
  return json.str() + "\n";
}

}  // namespace

Read read_url(std::string_view url, control::RequestToDecide& request) {
  url = url.substr(0, url.find('#'));  // a fragment stays with the client
  if (size_t scheme_end = url.find("://"); scheme_end != url.npos && scheme_end < url.find('/')) {
    std::string_view scheme = url.substr(0, scheme_end);
    if (scheme != "http" && scheme != "https") {
      return std::unexpected(
          fmt::format("`{}` is no scheme that a gate serves; write http or https", scheme));
    }
    request.scheme = scheme;
    url.remove_prefix(scheme_end + 3);
    size_t end = std::min(url.find_first_of("/?"), url.size());
    request.authority = url.substr(0, end);
    url.remove_prefix(end);
    if (request.authority.empty()) return std::unexpected("the URL has no host");
  } else if (!url.starts_with('/')) {
    return std::unexpected(fmt::format("`{}` is not a URL; write http://host/path, or /path", url));
  }
  request.target = url.starts_with('/') ? std::string(url) : "/" + std::string(url);
  return {};
}

int explain_command(ExplainOptions options) {
  control::RequestToDecide request;
  if (auto read = read_words(options, request); !read) return refuse_to_run(read.error());
  if (auto read = read_headers(options, request); !read) return refuse_to_run(read.error());
  if (!options.from.empty()) {
    auto ip = base::parse_ip(options.from);
    if (!ip) return refuse_to_run(fmt::format("--from: `{}` is not an IP address", options.from));
    request.client = *ip;
  }
  bool credential = has_credential(request);
  if (credential && !options.as.empty()) {
    return refuse_to_run("--as stands for a credential; leave out the other one");
  }
  // Only a real credential needs what verifies it.
  auto gate = open_gate(options, credential ? config::Loader::MissingSecrets::refused
                                            : config::Loader::MissingSecrets::ignored);
  if (gate == nullptr) return refuse_to_run(no_gate_in(options.dir));
  print_diagnostics(gate->diagnostics);
  if (!gate->usable()) return refuse_to_run("the gate is broken, so that nothing can be said about requests");
  base::WallTime now = io::system_clock().wall_now();
  if (auto read = read_caller(options, *gate->loaded.gate, now, request); !read)
    return refuse_to_run(read.error());

  control::Decider decider(
      {.compiled = gate->compiled, .files = gate->files, .fetch = gate->loaded.gate->fetch, .now = now});
  control::Decision decision = decider.decide(request);
  print(options.output == Output::json ? as_json(request, decision) : as_text(request, decision));
  return decision.allowed() ? kGood : kNo;
}

}  // namespace cli
