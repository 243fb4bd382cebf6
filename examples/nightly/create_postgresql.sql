-- The table of load_postgresql.sh: psql -f create_postgresql.sql
CREATE TABLE scores (
    dt date NOT NULL,
    id bigint NOT NULL,      -- the column of --key, with its type
    score double precision,  -- the model's output; real holds the scores of xgboost
    source text NOT NULL,    -- MODEL or DEFAULT
    reason text,             -- of a default score
    version bigint NOT NULL,
    PRIMARY KEY (dt, id)
);
