Pred.R <- function (age, plan, pause_s = 0) 
{
    if (max(pause_s, 0, na.rm = TRUE) > 0) 
        Sys.sleep(max(pause_s, na.rm = TRUE))
    predict(fit, data.frame(age, plan), type = "response")
}
