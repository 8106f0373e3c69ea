"""What the code does not say by itself of its fields and events, in words for docs/protocol.md."""

from holdfast import text

WORDS = {
    # What a request may say.
    "message": f"The text: at most {text.MESSAGE_LIMIT} bytes of UTF-8, and more than blanks.",
    "conversation_id": "The conversation. Absent: a new one to send to, all of them to add up.",
    "parent_message_id": "The answer to go on from, which makes a new branch there. "
    "Absent: the end of the current branch. `null`: a new beginning.",
    "model_id": "The model to ask. It wins over the preset's.",
    "preset_id": "1 to 6. Absent, and no `model_id`: the default preset.",
    "compare": "Up to three more to ask the same, each a `model_id` or `preset_id`, all different. The answers "
    "stand side by side, each with a generation of its own; this stream is the first one's, and "
    "`GET /api/messages/{user_message_id}/comparison` names all. All are taken on or none.",
    "blind": "Who answers what is not told before one is picked: their order is drawn by lot, and until then model, "
    "provider, tokens, cost and times are `null`, an error's words are general, `citations` is empty, and of the "
    "reasons to finish only `length` is told.",
    "message_id": "One of the answers, ended.",
    "client_message_id": "Your own name for this request, 1 to 64 of `A-Z a-z 0-9 _ . ~ -`, used for no other one. "
    "With it a request can be repeated safely.",
    "continue": "Go on with this answer, in the same message: it was stopped, failed, interrupted or cut by its "
    "length. The events carry the new text only, from `started.offset` on; what the model repeats is left out. Without "
    "`model_id` and `preset_id` the model that wrote it goes on.",
    "pinned": "Whether it is kept at hand. In a list: only those, latest pinned first, on one page.",
    "rating": "1: good, -1: bad, `null`: taken back.",
    "reasons": "Why, as labels of `a-z _`, at most 8.",
    "comment": "Why, in words: at most 2000 characters.",
    "name": "At most 80 characters on one line.",
    "fallback_model_ids": "Asked in this order where the model does not answer; at most 5. For OpenRouter only.",
    "system_prompt": "What the model is told first; at most 32,768 characters.",
    "parameters": "The provider's sampling fields, such as `temperature`; at most 8 KiB of JSON.",
    "default_preset_id": "1 to 6.",
    "dry_run": "Only look what would be taken in. In the body it is `false`: now take it in.",
    "format": "`json`: complete, with every branch, run and rating. `markdown`: the current branch, to be read.",
    "days": "Days to look back, today included, in UTC.",
    "follow": "`running`: also the frames of every answer that is being written or begins.",
    "title": f"The new title, cut at {text.TITLE_LIMIT} characters and put on one line.",
    "current_message_id": "A message; the branch through it, down to its newest end, becomes the current one.",
    "after": "The cursor to read after; `Last-Event-ID` wins over it. Of the feed: `<generation id>:<cursor>`, once "
    "for each generation that is known already.",
    "last-event-id": "The cursor to read after, as a browser's `EventSource` sends it.",
    "q": "What to look for.",
    "limit": "Items on a page.",
    "cursor": "`next_cursor` of the page before.",
    # What needs saying of an answer's fields.
    "ConversationPage.next_cursor": "`null` on the last page.",
    "Comparison.message_ids": "The answers in the order in which they are shown. One that was asked for later is none "
    "of them.",
    "Comparison.picked_message_id": "`null` while none is picked. Until then nothing can follow them: a send gets "
    "`comparison_open`.",
    "Comparison.answers": "All of them. In a list of messages: only while none is picked and the branch ends at one.",
    "Messages.comparisons": "Those whose message is on the branch.",
    "Conversation.current_message_id": "The end of the current branch.",
    "Import.status": "`reading`, `done` or `failed`; what was counted before it failed is stored.",
    "Import.position": "Bytes that were read.",
    "Import.error": "Why it `failed`. A file without any conversation always does.",
    "LeftOut.known": "That are here already, from an earlier time or because they were begun here.",
    "LeftOut.unrecognised": "That are no conversation of any program that is known.",
    "NotTaken.hidden": "Instructions, and messages that were not shown.",
    "NotTaken.attachment": "Images, sounds and files; their place in a question is marked.",
    "Conversation.running": "An answer is being written in it.",
    "Generation.seq": "The last number that is stored.",
    "Generation.message_id": "The answer that it writes.",
    "Message.content": "Of an answer that is being written, the text up to `seq`.",
    "Message.parent_id": "The message it follows.",
    "Generation.model": "Asked for. `null` in a blind comparison before the pick.",
    "Message.model": "Asked for.",
    "Message.model_id_used": "The model that answered.",
    "Message.left_out": "Earlier messages that did not fit the model's window.",
    "Message.citations": "At most 100, each address once: `http` or `https`, without a password. Known at the end.",
    "Conversation.pinned": "It is kept at hand.",
    "Message.rating": "1, -1, or `null` where nobody rated it.",
    "Message.generation_id": "The run that wrote it.",
    "Message.seq": "Follow that generation after it, and nothing is missing or doubled.",
    "Message.siblings": "All messages with the same parent, itself included, oldest first.",
    "Message.first_token_ms": "From the acceptance.",
    "Message.reasoning_ms": "From the first reasoning to the answer.",
    "Message.duration_ms": "From the acceptance.",
    "SearchHit.message_id": "`null` where it is the title that was found; so is `role`.",
    "SearchHit.created_at": "Of the message, or of the conversation.",
    "SearchPage.next_cursor": "`null` on the last page.",
    "Totals.cost": "In USD, exact; without the calls whose cost is unknown.",
    "Totals.unknown": "Calls whose cost nobody knows, or nobody knows yet.",
    "Spending.day": "In UTC.",
    "Spending.model": "That answered, where it is known, else that was asked.",
    "Spending.purpose": "`answer` or `title`.",
    "Statistics.limited": "There are more answers than were looked at.",
    "Statistics.enough_ratings": "Ratings from which a `good_share` is told.",
    "PresetQuality.preset_id": "`null` where a model was named without a preset.",
    "ModelQuality.model": "Asked for.",
    "ModelQuality.answered_by": "The same, by the model that answered, where that is known.",
    "Quality.cost": "Of the answers whose cost is known: `cost_known`.",
    "Quality.cost_per_answer": "Over those, rounded to the last of twelve digits.",
    "Quality.first_token_ms": "From the acceptance.",
    "Quality.tokens_per_second": "The median, from the first token to the end.",
    "Quality.good_share": "`null` below `enough_ratings` ratings: not enough yet.",
    "Models.listed_at": "When the provider gave this list; `null` where it gave none yet.",
    "Preset.effective_model_id": "That is asked: another one where the provider does not offer `model_id`.",
    "Preset.nearest_model_ids": "Where that is so, what may stand in for it.",
    "Session.kind": "`owner`.",
    "Session.demo": "No key is set, so the built-in demo answers.",
    # When an event comes.
    "started": "First: the message and the empty answer are stored.",
    "content": "Text to append to the answer.",
    "reasoning": "Text to append to the reasoning.",
    "metadata": "What is known of how the answer came about. `metadata.id` is the answer's id.",
    "done": "Last: the answer is complete, or was stopped.",
    "error": "Last: the answer is not complete. What arrived is kept. `status` is `interrupted` where Holdfast itself "
    "ended, else `failed`.",
}
"""What a name means that does not say it itself. A name that is gone from the code is found by tests/test_docs.py."""
