#include "control/questions.h"

namespace control {

io::Task<gate::Answer> Questions::answer(gate::Question question) {
  return std::visit([this](auto&& asked) { return of(std::move(asked)); }, std::move(question));
}

io::Task<gate::Answer> Questions::of(gate::FindIssuer question) {
  gate::Answer answer;
  auto found = co_await parts_.issuers.find(question.provider);
  if (!found) answer.outcome = base::fail(found.error());
  co_return answer;
}

// Of a person with a session, the token that the backend's is made from is in the session store.
io::Task<gate::Answer> Questions::of(gate::FetchBackendToken question) {
  if (question.session != nullptr) {
    auto token = co_await parts_.sessions.access_token(question.session);
    if (!token) {
      gate::Answer answer;
      answer.outcome = base::fail(token.error());
      co_return answer;
    }
    question.subject_token = std::move(token->text);
  }
  co_return co_await parts_.backend_tokens.find(std::move(question));
}

}  // namespace control
