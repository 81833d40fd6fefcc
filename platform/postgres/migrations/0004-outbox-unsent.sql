-- The outbox holds exactly what is still to be sent: the relay removes what Kafka has. So it needs to note nowhere which
-- slot was given the rows from before it existed: those that are there are the ones to send.
drop table outbox_slots;
